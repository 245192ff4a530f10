"""Failures as plain data, which every process can show without the classes that raised them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure on its way from a task to the user.

    ``error`` is the name of a class of ``sabotnb.errors``; ``message`` is what the user reads; ``traceback`` the user's
    frames only; ``sample`` a few offending rows as text; ``advice`` what to do, if the message does not say so;
    ``everything`` the complete traceback of the worker, for bug reports; ``pickled`` the original exception,
    cloudpickled, which only the client unpickles.
    """

    error: str
    message: str
    operator: str = ""
    traceback: str = ""
    sample: str = ""
    pickled: bytes = b""
    advice: str = ""
    everything: str = ""


NOTHING_COMMITTED = "No output was committed."
"""What the message of a loss says about the output; the end of a run corrects it if checkpoints have committed some."""

NOTHING_LOST = "Nothing is lost"
"""What the failure of a commit begins with where it says which folder has the rows now."""


def connection_lost(agent: str, peer: str, reason: str) -> str:
    """The message of a broken connection; the agent and a task that cannot send both use it."""
    return f"worker {agent} lost the connection with {peer}: {reason}. {NOTHING_COMMITTED} Run the job again."


def output_taken(job: str, folder: str) -> str:
    """The message for a folder that another job writes into, found by the cluster or in the file system."""
    return (
        f"job {job!r} is writing into '{folder}' and has not committed its rows yet. Give another folder, or stop that "
        f"job where it runs: sb.attach({job!r}).stop() commits its rows"
    )
