"""Builds a job's pictures, with all coordinates, from its scenes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sabotnb.diagram import PlacedBox, Spacing, route_lines
from sabotnb.display.collapsing import collapsed
from sabotnb.display.job_picture import JobPicture, Line, OperatorCard, PictureNode, View
from sabotnb.display.operator_labels import counted
from sabotnb.display.scene import Link
from sabotnb.text_limits import cut

HEIGHT = 84.0
NARROW, WIDE = 170.0, 210.0
"""Least and greatest width of a box: the least fits ``270,000 → 269,700 rows``."""
CHAIN_WIDE = 244.0
"""The greatest width of a chain's box, which lists the names of its operators."""
MARGIN = 16.0
SPACING = Spacing(gap=26, layer_gap=34, port_gap=30, beside=40)
TITLE_LETTER, TEXT_LETTER = 8.0, 6.6
"""Widths of letters at 13 px, semi-bold, and at 11 px, rounded up."""
BESIDE_TITLE, BESIDE_TEXT = 56.0, 24.0
"""Pixels of a box's width that the title (left side, number of tasks) and the text cannot use."""
APART = " · "
THEN = " → "
_NUMBER = re.compile(r"_\d+$")
UNPLACED = {"x": 0.0, "y": 0.0, "width": 0.0, "height": 0.0}


def job_picture(scenes: Mapping[str, Any]) -> JobPicture:
    """Return the views ``logical`` and ``optimized`` of ``scenes``. Takes milliseconds: call it once per run."""
    operators = {operator["id"]: operator for operator in scenes["operators"]}
    views = (_logical(scenes, operators), _optimized(scenes, operators))
    cards = tuple(_card(operator, scenes["columns"]) for operator in operators.values())
    return JobPicture(views, cards, *scenes["guarantee"])


def _logical(scenes: Mapping[str, Any], operators: Mapping[str, Mapping[str, Any]]) -> View:
    """Return the job as written: a node per operator, including those that do not run."""
    links = [_link(data) for data in scenes["logical"]]
    written = [operator for operator in operators.values() if operator["written"]]
    nodes = [
        PictureNode(
            id=operator["id"],
            title=operator["id"],
            kind=operator["kind"],
            role=operator["role"],
            text=operator["gone"] or operator["text"],
            tasks=operator["tasks"],
            vertices=(operator["vertex"],) if operator["vertex"] else (),
            operators=(operator["id"],),
            note=operator["gone"],
            **UNPLACED,
        )
        for operator in written
    ]
    return _view("logical", nodes, links)


def _optimized(scenes: Mapping[str, Any], operators: Mapping[str, Mapping[str, Any]]) -> View:
    """Return the job as it runs: a node per chain."""
    nodes = [
        PictureNode(
            id=vertex,
            title=_title([operators[name] for name in chain]),
            kind=APART.join(operators[name]["kind"] for name in chain),
            role=_role([operators[name]["role"] for name in chain]),
            text=_steps(chain) if len(chain) > 1 else operators[chain[0]]["runs"],
            tasks=tasks,
            vertices=(vertex,),
            operators=tuple(chain),
            note="",
            **UNPLACED,
        )
        for vertex, tasks, chain in scenes["vertices"]
    ]
    return _view("optimized", nodes, [_link(data) for data in scenes["edges"]])


def _title(chain: Sequence[Mapping[str, Any]]) -> str:
    """Return the names that the user gave to operators of a chain; without any, the first id."""
    named = [operator["id"] for operator in chain if operator["named"] and operator["written"]]
    return APART.join(named) or chain[0]["id"]


def _steps(chain: Sequence[str]) -> str:
    """Return the operators of a chain in order; if they do not fit, without the numbers of their ids, then cut."""
    room = _text_letters(CHAIN_WIDE)
    if len(THEN.join(chain)) <= room:
        return THEN.join(chain)
    stems = [_NUMBER.sub("", name) for name in chain]
    steps = [short if stems.count(short) == 1 else name for name, short in zip(chain, stems, strict=True)]
    while len(THEN.join(steps)) > room and len(steps) > 2:
        steps[-2:] = ["…"]
    return THEN.join(steps)


def _role(roles: Sequence[str]) -> str:
    return "source" if "source" in roles else "sink" if "sink" in roles else "operator"


def _link(data: Sequence[Any]) -> Link:
    up, down, kind, label, edges = data
    return Link(up, down, kind, label, tuple(edges))


def _view(name: str, nodes: Sequence[PictureNode], links: Sequence[Link]) -> View:
    nodes, links = collapsed(nodes, links)
    sizes = {node.id: (_width(node), HEIGHT) for node in nodes}
    placed = route_lines(sizes, links, SPACING, origin=(MARGIN, MARGIN))
    drawn = tuple(_fitted(node, placed.boxes[node.id]) for node in nodes)
    lines = tuple(
        Line(line.path, line.tip, line.label, line.label_at, link.up, link.down, link.type, link.edges)
        for link, line in zip(links, placed.lines, strict=True)
    )
    width, height = (round(length + 2 * MARGIN, 1) for length in (placed.width, placed.height))
    return View(name, drawn, lines, width, height)


def _width(node: PictureNode) -> float:
    title = len(node.title) * TITLE_LETTER + BESIDE_TITLE
    text = len(node.text) * TEXT_LETTER + BESIDE_TEXT
    return min(CHAIN_WIDE if len(node.operators) > 1 else WIDE, max(NARROW, math.ceil(max(title, text))))


def _text_letters(width: float) -> int:
    """Return how many letters of text fit into a box."""
    return int((width - BESIDE_TEXT) / TEXT_LETTER)


def _fitted(node: PictureNode, box: PlacedBox) -> PictureNode:
    """Return the node with coordinates, its title and text cut to its width."""
    return replace(
        node,
        title=cut(node.title, int((box.width - BESIDE_TITLE) / TITLE_LETTER)),
        text=cut(node.text, _text_letters(box.width)),
        x=round(box.x, 1),
        y=round(box.y, 1),
        width=box.width,
        height=box.height,
    )


def _card(operator: Mapping[str, Any], columns: Sequence[Sequence[Sequence[str]]]) -> OperatorCard:
    return OperatorCard(
        id=operator["id"],
        kind=operator["kind"],
        text=operator["text"],
        vertex=operator["vertex"],
        origin=operator["origin"],
        code=operator["code"],
        columns=tuple((name, kind) for name, kind in columns[operator["columns"]]),
        notes=tuple(filter(None, (operator["gone"], *operator["notes"], _unfiltered(operator)))),
        filtered=operator["filtered"],
        rows=operator["rows"],
    )


def _unfiltered(operator: Mapping[str, Any]) -> str:
    """Return why a source counts fewer rows than its files have."""
    rows = operator["rows"]
    return "" if rows is None else f"counts the rows that pass its filter, of {counted(rows, 'row')}"
