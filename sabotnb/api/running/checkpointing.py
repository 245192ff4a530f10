"""When a run takes checkpoints and where it keeps them, as its user writes it, and the policy that the cluster gets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

from sabotnb.api.verbs.verb_options import Duration
from sabotnb.cache import data_root
from sabotnb.connectors import output_folder
from sabotnb.errors import CheckpointError, SinkError
from sabotnb.expr import duration_us
from sabotnb.graph import JobGraph
from sabotnb.plan import can_resume
from sabotnb.protocol import CheckpointPolicy


@dataclass(frozen=True, slots=True)
class Checkpointing:
    """The ``checkpoint=`` of a run; made by ``sb.checkpoint``."""

    every: Duration = "60s"
    storage: str | None = None
    timeout: Duration = "10m"
    pause: Duration = "0s"


ALWAYS = Checkpointing()
"""What a run does by default."""


def checkpoint(
    every: Duration = "60s",
    storage: str | os.PathLike[str] | None = None,
    *,
    timeout: Duration = "10m",
    pause: Duration = "0s",
) -> Checkpointing:
    """Say how often a run saves what it needs to go on after a failure: ``run(checkpoint=sb.checkpoint("10s"))``.

    ``storage`` is a folder, or a URL that fsspec knows, that every worker can write to; default: the folder of
    sabotnb's data on this machine. A checkpoint that takes longer than ``timeout`` is abandoned; ``pause`` is the least
    time between two. ``run(checkpoint=None)`` takes none: after a failure the run begins again, or fails.

    Raises:
        CheckpointError: a time is not positive, or ``storage`` cannot be a folder.
    """
    for name, given, least in (("every", every, 1), ("timeout", timeout, 1), ("pause", pause, 0)):
        if duration_us(given) < least:
            raise CheckpointError(f"sb.checkpoint({name}={given!r}): give a longer time, as in sb.checkpoint('60s')")
    return Checkpointing(every, None if storage is None else _folder(storage), timeout, pause)


def _folder(storage: str | os.PathLike[str]) -> str:
    try:
        return output_folder(storage)
    except SinkError as error:
        raise CheckpointError(f"sb.checkpoint(storage=...): {error}") from None


def checkpointing_of(given: object) -> Checkpointing | None:
    """Return the ``checkpoint=`` of a run; a time alone says how often it takes checkpoints.

    Raises:
        CheckpointError: it is something else.
    """
    if given is None or isinstance(given, Checkpointing):
        return given
    if isinstance(given, str | timedelta):
        return checkpoint(given)
    raise CheckpointError(
        f"checkpoint={given!r} does not say when to take checkpoints. Give a time: "
        ".run(checkpoint=sb.checkpoint('60s'))"
    )


def policy_of(given: Checkpointing | None, graph: JobGraph, *, one_host: bool) -> CheckpointPolicy | None:
    """Return when and where a run of ``graph`` takes checkpoints; None if it takes none.

    It takes none if a source cannot be read again. By default it takes none either on a cluster of several hosts,
    which no folder is known to be shared by.

    Raises:
        CheckpointError: checkpoints were asked for on such a cluster without a ``storage``.
    """
    if given is None or not can_resume(graph):
        return None
    if given.storage is None and not one_host:
        if given == ALWAYS:
            return None
        raise CheckpointError(
            "workers of this cluster are on other machines, which cannot read checkpoints that are kept on this one: "
            f"give a folder that all of them share, as in sb.checkpoint({given.every!r}, storage='/shared/checkpoints')"
        )
    return CheckpointPolicy(
        duration_us(given.every) / 1e6,
        given.storage or str(data_root() / "checkpoints"),
        duration_us(given.timeout) / 1e6,
        duration_us(given.pause) / 1e6,
    )
