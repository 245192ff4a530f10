"""From what was kept of a job at its submission to its pictures, every place computed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sabotnb.diagram import PlacedBox, Spacing, route_lines
from sabotnb.display.collapsing import collapsed
from sabotnb.display.job_picture import JobPicture, Line, OperatorCard, PictureNode, View
from sabotnb.display.scene import Link
from sabotnb.display.text_limits import cut

HEIGHT = 84.0
NARROW, WIDE = 170.0, 210.0
"""Widths of boxes: the least holds ``270,000 → 269,700 rows``."""
CHAIN_WIDE = 244.0
"""Of a chain, whose operators people look for by their names."""
MARGIN = 16.0
SPACING = Spacing(gap=26, layer_gap=34, port_gap=30, beside=40)
TITLE_LETTER, TEXT_LETTER = 8.0, 6.6
"""Widths of letters of 13 px, semi-bold, and of 11 px, a little more than they are."""
BESIDE_TITLE, BESIDE_TEXT = 56.0, 24.0
"""Pixels of a box's width that are not the title's (its left side, the number of tasks) and not the text's."""
APART = " · "
THEN = " → "
_NUMBER = re.compile(r"_\d+$")
UNPLACED = {"x": 0.0, "y": 0.0, "width": 0.0, "height": 0.0}


def job_picture(scenes: Mapping[str, Any]) -> JobPicture:
    """The views ``logical`` and ``optimized`` of what ``scenes`` has kept. Takes milliseconds: call it once per run."""
    operators = {one["id"]: one for one in scenes["operators"]}
    views = (_logical(scenes, operators), _optimized(scenes, operators))
    cards = tuple(_card(one, scenes["columns"]) for one in operators.values())
    return JobPicture(views, cards)


def _logical(scenes: Mapping[str, Any], operators: Mapping[str, Mapping[str, Any]]) -> View:
    """As written: a node per operator, those that do not run among them."""
    links = [_link(one) for one in scenes["logical"]]
    written = [one for one in operators.values() if one["written"]]
    nodes = [
        PictureNode(
            id=one["id"],
            title=one["id"],
            kind=one["kind"],
            role=one["role"],
            text=one["gone"] or one["text"],
            tasks=one["tasks"],
            vertices=(one["vertex"],) if one["vertex"] else (),
            operators=(one["id"],),
            note=one["gone"],
            **UNPLACED,
        )
        for one in written
    ]
    return _view("logical", nodes, links)


def _optimized(scenes: Mapping[str, Any], operators: Mapping[str, Mapping[str, Any]]) -> View:
    """As it runs: a node per chain."""
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
    return _view("optimized", nodes, [_link(one) for one in scenes["edges"]])


def _title(chain: Sequence[Mapping[str, Any]]) -> str:
    """The names that the user gave to operators of a chain; of one without any the first id."""
    named = [one["id"] for one in chain if one["named"] and one["written"]]
    return APART.join(named) or chain[0]["id"]


def _steps(chain: Sequence[str]) -> str:
    """The operators of a chain in their order, as many as there is room for; then without the numbers of their ids."""
    room = _text_letters(CHAIN_WIDE)
    if len(THEN.join(chain)) <= room:
        return THEN.join(chain)
    bare = [_NUMBER.sub("", name) for name in chain]
    steps = [short if bare.count(short) == 1 else name for name, short in zip(chain, bare, strict=True)]
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
    places = route_lines(sizes, links, SPACING, origin=(MARGIN, MARGIN))
    drawn = tuple(_fitted(node, places.boxes[node.id]) for node in nodes)
    lines = tuple(
        Line(line.path, line.tip, line.label, line.label_at, link.up, link.down, link.type, link.edges)
        for link, line in zip(links, places.lines, strict=True)
    )
    width, height = (round(length + 2 * MARGIN, 1) for length in (places.width, places.height))
    return View(name, drawn, lines, width, height)


def _width(node: PictureNode) -> float:
    title = len(node.title) * TITLE_LETTER + BESIDE_TITLE
    text = len(node.text) * TEXT_LETTER + BESIDE_TEXT
    return min(CHAIN_WIDE if len(node.operators) > 1 else WIDE, max(NARROW, math.ceil(max(title, text))))


def _text_letters(width: float) -> int:
    """Letters of a box's text."""
    return int((width - BESIDE_TEXT) / TEXT_LETTER)


def _fitted(node: PictureNode, box: PlacedBox) -> PictureNode:
    """The node in its place, title and text cut to its width."""
    return replace(
        node,
        title=cut(node.title, int((box.width - BESIDE_TITLE) / TITLE_LETTER)),
        text=cut(node.text, _text_letters(box.width)),
        x=round(box.x, 1),
        y=round(box.y, 1),
        width=box.width,
        height=box.height,
    )


def _card(one: Mapping[str, Any], columns: Sequence[Sequence[Sequence[str]]]) -> OperatorCard:
    return OperatorCard(
        id=one["id"],
        kind=one["kind"],
        text=one["text"],
        vertex=one["vertex"],
        origin=one["origin"],
        code=one["code"],
        columns=tuple((name, kind) for name, kind in columns[one["columns"]]),
        notes=tuple(filter(None, (one["gone"], *one["notes"]))),
    )
