"""What went wrong in a task, as plain data that every process can show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure on its way from a task to the user.

    ``error`` is the name of a class of ``sabotnb.errors``; ``message`` is what the user reads; ``traceback`` the user's
    frames only; ``sample`` a few offending rows as text; ``advice`` what to do, where the message does not say it;
    ``everything`` the whole traceback of the worker, for bug reports; ``pickled`` the cloudpickled original exception,
    opaque to everybody but the client.
    """

    error: str
    message: str
    operator: str = ""
    traceback: str = ""
    sample: str = ""
    pickled: bytes = b""
    advice: str = ""
    everything: str = ""


def connection_lost(agent: str, peer: str, reason: str) -> str:
    """The message of a broken connection, which an agent or a task that cannot send may report first."""
    return f"{agent} lost the connection with {peer}: {reason}. No output was published. Run the job again."


def output_taken(job: str, folder: str) -> str:
    """What is said of a folder that another job writes into, whether the cluster or the file system knows of it."""
    return (
        f"job {job!r} is writing into '{folder}' and has not published its rows yet. Give another folder, or stop that "
        f"job where it runs: sb.attach({job!r}).stop() publishes its rows"
    )
