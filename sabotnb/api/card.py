"""The card of a stream: facts, notes, columns and graph, as HTML for notebooks and as text for terminals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import pyarrow as pa

from sabotnb import text_limits
from sabotnb.api.card_notes import notes_of
from sabotnb.api.stream_node import StreamPlan, is_bounded
from sabotnb.diagram import picture
from sabotnb.display import Scene, operator_labels, saved, scene_of, svg_picture, theme
from sabotnb.graph import JobGraph, Source, Spec

SHORT, BESIDE, MANY = 10, 3, 90
"""Columns are listed in tables of ``SHORT`` rows beside each other, longer ones when that would be more than ``BESIDE``
tables; more than ``MANY`` columns are folded away at first."""


@dataclass(frozen=True, slots=True)
class Card:
    """The content of a card. ``notes`` are sentences; ``marks`` are remarks about single columns."""

    title: str
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    schema: pa.Schema
    marks: Mapping[str, str]
    scene: Scene

    def html(self) -> str:
        """Return a ``<div>`` with inline styles only, because notebooks remove style sheets from saved output."""
        count = len(self.schema)
        inside = theme.panel(
            f"<div><strong>{escape(self.title)}</strong> &#160;{theme.faint(' · '.join(self.facts))}</div>"
            + theme.scrolled(*svg_picture.draw(self.scene))
            + theme.sentences(self.notes)
            + theme.folded(operator_labels.counted(count, "column"), self._columns_html(), opened=count <= MANY)
        )
        return saved.card(inside, self.text())

    def text(self) -> str:
        """Return the card as plain text, for terminals."""
        letters = text_limits.TEXT_BOX
        boxes = {
            name: [
                f"{text_limits.cut(box.id, letters)} x{box.tasks}",
                text_limits.cut(box.text, letters),
            ]
            for name, box in self.scene.boxes.items()
        }
        drawn = picture(boxes, [(link.up, link.down, link.label) for link in self.scene.links])
        listed = self._columns()
        width = max((len(name) for name, _, _ in listed), default=0)
        columns = [f"  {name:<{width}}  {kind}  {mark}".rstrip() for name, kind, mark in listed]
        return "\n".join([" · ".join([self.title, *self.facts]), drawn, *self.notes, *columns])

    def _columns(self) -> list[tuple[str, str, str]]:
        """Name, type and mark of each column."""
        letters = text_limits.NAME
        return [
            (
                text_limits.cut(field.name, letters),
                text_limits.cut(str(field.type), letters),
                self.marks.get(field.name, ""),
            )
            for field in self.schema
        ]

    def _columns_html(self) -> str:
        listed = self._columns()
        beside = min(BESIDE, math.ceil(len(listed) / SHORT))
        rows = math.ceil(len(listed) / max(beside, 1))
        parts = [listed[start : start + rows] for start in range(0, len(listed), max(rows, 1))]
        return theme.side_by_side([theme.table(("column", "type", ""), part, (False, False, False)) for part in parts])


def card_of(flow: StreamPlan, graph: JobGraph, parallelism: int, rows: int | None) -> Card:
    """Return the card of ``flow``; ``graph`` is its job graph, ``rows`` the number of rows of its sources, if known."""
    bounded = is_bounded(flow)
    read = [] if rows is None else [f"reads {operator_labels.count(rows)}"]
    facts = ("bounded" if bounded else "endless", *read, f"parallelism {parallelism}")
    return Card(
        text_limits.cut(flow.node.naming.name or _title(flow.node.spec), text_limits.TITLE),
        facts,
        tuple(text_limits.cut(note, text_limits.SENTENCE) for note in notes_of(flow)),
        flow.schema,
        _marks(flow),
        scene_of(graph, parallelism).without_sinks(),
    )


def _title(spec: Spec) -> str:
    return operator_labels.brief(spec) if isinstance(spec, Source) else f"{spec.kind} {operator_labels.brief(spec)}"


def _marks(flow: StreamPlan) -> dict[str, str]:
    marks = {field.name: "" if field.nullable else "never null" for field in flow.schema}
    keys = flow.type.key if flow.type.key is not None else getattr(flow.node.spec, "keys", ())
    marks.update({name: "key" for name in keys if name in marks})
    if flow.event_time is not None:
        marks[flow.event_time.column] = "event time"
    return marks
