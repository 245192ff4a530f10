"""Encode a ``StoredCut`` as JSON-able data and decode it.

Tasks are written by vertex and index: the run that their ids share is a field of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sabotnb.graph import read_plain, write_plain
from sabotnb.protocol import RunId, StoredCut, TaskId, TaskSnapshot


def cut_to_plain(cut: StoredCut) -> dict[str, Any]:
    """Return ``cut`` as JSON-able data; TypeError if a value in it has no form in JSON."""
    tasks = {f"{task.vertex}[{task.index}]": write_plain(snapshot) for task, snapshot in cut.tasks.items()}
    return {**write_plain(replace(cut, tasks={})), "tasks": tasks}


def cut_from_plain(data: Mapping[str, Any]) -> StoredCut:
    """Return the cut that ``cut_to_plain`` wrote; raises what ``graph.read_plain`` raises."""
    snapshots: Mapping[str, TaskSnapshot] = read_plain(Mapping[str, TaskSnapshot], data["tasks"])
    cut: StoredCut = read_plain(StoredCut, {**data, "tasks": {}})
    return replace(cut, tasks={_task(cut.run, name): snapshot for name, snapshot in snapshots.items()})


def _task(run: RunId, name: str) -> TaskId:
    vertex, _, index = name.removesuffix("]").rpartition("[")
    return TaskId(run, vertex, int(index))
