"""Warn that files of endless jobs without checkpoints appear only when the job is stopped."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from sabotnb.api.stream_node import is_bounded, nodes_of
from sabotnb.api.verbs.targets import Target
from sabotnb.blobs import label_of, user_frame
from sabotnb.graph import Source

FILES_AT_THE_END = (
    "the input is endless and the job takes no checkpoints, so files appear when the job ends: job.stop() ends it"
)


def writes_at_the_end(target: Target, *, checkpoints: bool = True) -> bool:
    """True if the target's files appear only when its job is stopped; ``checkpoints``: the user wants some."""
    if target.path is None or is_bounded(target.flow):
        return False
    specs = (node.spec for node in nodes_of((target.flow,)))
    return not checkpoints or any(isinstance(spec, Source) and not spec.reopenable for spec in specs)


def warn_of_late_files(targets: Iterable[Target], *, checkpoints: bool) -> None:
    """Warn of each target whose files appear only when its job is stopped, at the user's line."""
    for target in targets:
        if writes_at_the_end(target, checkpoints=checkpoints):
            _warn_at_users_line(f"{target.path}: {FILES_AT_THE_END}")


def _warn_at_users_line(message: str) -> None:
    frame = user_frame()
    filename = frame.f_code.co_filename if frame is not None else "python"
    label = label_of(filename)
    shown = label if label.startswith("cell ") else filename  # the file name of a cell is temporary
    warnings.warn_explicit(message, UserWarning, shown, frame.f_lineno if frame is not None else 0)
