"""Draws a graph as text for terminals: boxes in layers from top to bottom, joined by box-drawing characters.

A cell of the canvas holds the set of directions in which strokes leave it, so that lines that meet or cross need no
case of their own: the union of their directions names the character.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sabotnb.diagram.layered_layout import Layout, layout

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
STROKES = " ╵╷│╴┘┐┤╶└┌├─┴┬┼"
"""The character for a set of directions, by the sum of their bits."""

GAP = 4

MOST_BOXES = 200
"""A graph with more nodes is listed: its picture would have millions of letters."""


def picture(nodes: Mapping[str, Sequence[str]], edges: Sequence[tuple[str, str, str]]) -> str:
    """Return a picture of ``nodes`` (lines of text by name) and ``edges`` (from, to, label), without trailing spaces.

    A label is beside the end of its line, and omitted where it would cover a stroke or a letter. More than
    ``MOST_BOXES`` nodes are listed instead.
    """
    if len(nodes) > MOST_BOXES:
        return "\n".join("  ".join(lines) for lines in nodes.values())
    rows = max((len(lines) for lines in nodes.values()), default=0) + 2
    sizes = {name: (float(_odd(max(map(len, lines), default=0) + 4)), float(rows)) for name, lines in nodes.items()}
    links = [(up, down) for up, down, _ in edges]
    plan = layout(sizes, links, direction="down", gap=GAP, layer_gap=2)
    # twice: only a layout tells how many lines change column in a gap, each of which needs a row of its own there
    bent = _bent_lines(plan)
    spacing = 2 + max(bent.values(), default=0)
    plan = layout(sizes, links, direction="down", gap=GAP, layer_gap=spacing)
    canvas = _Canvas()
    for name, lines in nodes.items():
        box = plan.boxes[name]
        canvas.box(math.floor(box.x), round(box.y), round(box.width), rows, lines)
    canvas.lines(plan, rows)
    for (_, _, label), line in zip(edges, plan.lines, strict=True):
        canvas.label(_column(line[-1][0]) + 2, round(line[-1][1]) - 1, label)
    return canvas.text()


def _odd(width: int) -> int:
    """Return the next odd width: a box of odd width has a middle column, so straight edges stay straight."""
    return width + 1 - width % 2


def _column(x: float) -> int:
    """Return the column of a centre: the middle cell of a box of odd width around it."""
    return max(0, math.floor(x - 0.5))


def _bent_lines(plan: Layout) -> dict[float, int]:
    """Return the number of segments that change column, by the row at which their gap begins."""
    bent: dict[float, int] = {}
    for line in plan.lines:
        for (x0, y0), (x1, _) in zip(line[::2], line[1::2], strict=True):
            if _column(x0) != _column(x1):
                bent[y0] = bent.get(y0, 0) + 1
    return bent


class _Canvas:
    """Cells with a set of directions, or a character that covers them."""

    def __init__(self) -> None:
        self.strokes: dict[tuple[int, int], int] = {}
        self.letters: dict[tuple[int, int], str] = {}

    def stroke(self, x: int, y: int, bits: int) -> None:
        self.strokes[x, y] = self.strokes.get((x, y), 0) | bits

    def write(self, x: int, y: int, text: str) -> None:
        for offset, letter in enumerate(text):
            self.letters[x + offset, y] = letter

    def vertical(self, x: int, top: int, bottom: int) -> None:
        """Draw a line from ``top`` to ``bottom`` in column ``x``."""
        for y in range(top, bottom):
            self.stroke(x, y, DOWN)
            self.stroke(x, y + 1, UP)

    def horizontal(self, y: int, start: int, end: int) -> None:
        """Draw a line between two columns in row ``y``."""
        for x in range(min(start, end), max(start, end)):
            self.stroke(x, y, RIGHT)
            self.stroke(x + 1, y, LEFT)

    def box(self, x: int, y: int, width: int, height: int, lines: Sequence[str]) -> None:
        """Draw a frame with ``lines`` inside, each centred."""
        right, bottom = x + width - 1, y + height - 1
        self.horizontal(y, x, right)
        self.horizontal(bottom, x, right)
        self.vertical(x, y, bottom)
        self.vertical(right, y, bottom)
        for row, line in enumerate(lines, start=y + 1):
            self.write(x + (width - len(line)) // 2, row, line)

    def lines(self, plan: Layout, rows: int) -> None:
        """Draw every polyline: down, across in its own row, down to an arrow head; straight through other layers."""
        used: dict[int, int] = {}
        for line in plan.lines:
            for number, ((x0, y0), (x1, y1)) in enumerate(zip(line[::2], line[1::2], strict=True)):
                start, end, top, bottom = _column(x0), _column(x1), round(y0), round(y1)
                turn = top
                if start != end:
                    turn = top + used.get(top, 0)
                    used[top] = used.get(top, 0) + 1
                first, last = number == 0, number == len(line) // 2 - 1
                self.vertical(start, top - 1 if first else top - rows, turn)
                self.horizontal(turn, start, end)
                self.vertical(end, turn, bottom)
                if last:
                    self.letters[end, bottom - 1] = "▼"

    def label(self, x: int, y: int, text: str) -> None:
        """Write ``text`` if its cells and those beside it are empty."""
        cells = [(x + offset, y) for offset in range(-1, len(text) + 1)]
        if not any(cell in self.strokes or cell in self.letters for cell in cells):
            self.write(x, y, text)

    def text(self) -> str:
        rows: dict[int, dict[int, str]] = {}
        for (x, y), bits in self.strokes.items():
            rows.setdefault(y, {})[x] = STROKES[bits]
        for (x, y), letter in self.letters.items():
            rows.setdefault(y, {})[x] = letter
        return "\n".join(_line(rows.get(y, {})) for y in range(max(rows, default=-1) + 1))


def _line(cells: Mapping[int, str]) -> str:
    return "".join(cells.get(x, " ") for x in range(max(cells, default=-1) + 1)).rstrip()
