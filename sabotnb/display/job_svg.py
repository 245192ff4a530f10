"""A view of a job with its figures as static SVG, drawn into the places that the widget uses, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from sabotnb.diagram import svg_drawing
from sabotnb.display import number_format, saved, text_limits
from sabotnb.display.job_picture import PictureNode, View
from sabotnb.display.picture_style import ACCENTS, stroke
from sabotnb.display.picturing import TEXT_LETTER
from sabotnb.display.text_limits import cut
from sabotnb.display.theme import FAILED
from sabotnb.metrics import Load

LOADS = (("busy", "#3b82f6"), ("backpressured", "#d97706"))
"""Parts of a load bar and their colours; what is left is idle."""
BAR_TOP, BAR_HEIGHT = 46.0, 8.0
TITLE, TEXT, FIGURES = 20.0, 37.0, 74.0
"""Baselines in a box of 84 pixels."""
LEFT, RIGHT = 13.0, 11.0
FAINT = 'fill-opacity=".7"'
"""Of second rank, in whatever colour the letters have."""
BOLD_LETTER = 7.4
"""Width of a semi-bold letter of 11 px, a little more than it is."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is said of one box: a line of figures, its load if there is one to show, and what has failed there."""

    text: str = ""
    load: Load | None = None
    failed: str = ""


def draw(view: View, marks: Mapping[str, Mark]) -> tuple[str, float]:
    """An ``<svg>`` of ``view`` and how narrow it may be shown, in pixels; ``marks`` by the ids of its nodes.

    It has a line per text: where a page lets no SVG through, what is left of it can still be read.
    """
    inside = [
        *(svg_drawing.arrow(line, stroke(line.type)) for line in view.lines),
        *(_node(node, marks.get(node.id, Mark())) for node in view.nodes),
    ]
    alternative = _alternative(view.nodes, marks)
    svg, narrowest = svg_drawing.sheet(view.width, view.height, alternative, "\n".join(inside))
    return saved.picture(svg, alternative), narrowest


def fits(node: PictureNode, text: str) -> bool:
    """True if a line of figures stays within its box."""
    return LEFT + len(text) * TEXT_LETTER + RIGHT <= node.width


def failed_letters(node: PictureNode) -> int:
    """Letters of an operator's name that has its place between ``✕`` and ``failed``."""
    return int((node.width - LEFT - RIGHT) / BOLD_LETTER) - len("✕  failed")


def _node(node: PictureNode, mark: Mark) -> str:
    width, height = node.width, node.height
    frame = f'stroke="{FAILED}" stroke-width="2"' if mark.failed else f'stroke="{svg_drawing.EDGE}"'
    tasks = f"\u00d7{node.tasks}" if node.tasks else ""
    side = FAILED if mark.failed else ACCENTS[node.role]
    parts = [
        f'<g transform="translate({node.x:g} {node.y:g})"><title>{escape(_described(node, mark))}</title>',
        f'<rect width="{width:g}" height="{height:g}" rx="7" fill="{svg_drawing.CARD}" {frame}/>',
        f'<rect y="10" width="3.5" height="{height - 20:g}" rx="1.75" fill="{side}"/>',
        _text(LEFT, TITLE, node.title, ' font-size="13" font-weight="600"'),
        _text(width - RIGHT, TITLE, tasks, f' text-anchor="end" {FAINT}'),
        _text(LEFT, TEXT, node.text, f" {FAINT}"),
        _failed(mark.failed) if mark.failed else _bar(width - LEFT - RIGHT, mark.load),
        _text(LEFT, FIGURES, mark.text),
        "</g>",
    ]
    return "\n".join(filter(None, parts))


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}"{attributes}>{escape(text)}</text>' if text else ""


def _bar(width: float, load: Load | None) -> str:
    """The load as a bar; a thin line where there is none to show."""
    if load is None:
        return f'<path d="M{LEFT:g} {BAR_TOP + BAR_HEIGHT / 2:g}h{width:g}" stroke="{svg_drawing.FRAME}"/>'
    size = f'y="{BAR_TOP:g}" height="{BAR_HEIGHT:g}"'
    parts = [f'<rect x="{LEFT:g}" {size} width="{width:g}" rx="2" fill="{svg_drawing.FRAME}"/>']
    x = LEFT
    for name, colour in LOADS:
        part = getattr(load, name) * width
        parts.append(f'<rect x="{x:.1f}" {size} width="{part:.1f}" fill="{colour}"/>')
        x += part
    return "".join(parts)


def _failed(text: str) -> str:
    """Words in the place of the load: colour alone is not enough."""
    return _text(LEFT, BAR_TOP + BAR_HEIGHT, f"✕ {text}", f' font-weight="600" fill="{FAILED}"')


def _described(node: PictureNode, mark: Mark) -> str:
    chain = cut(" · ".join(node.operators), text_limits.SENTENCE)
    load = f"; {number_format.share(mark.load.busy)} busy" if mark.load else ""
    return f"{chain} ({node.tasks} tasks): {mark.text}{load}{f'; {mark.failed}' if mark.failed else ''}"


def _alternative(nodes: Sequence[PictureNode], marks: Mapping[str, Mark]) -> str:
    return "Job: " + "; ".join(
        f"{cut(node.id, text_limits.NAME)} {marks[node.id].text if node.id in marks else ''}".rstrip() for node in nodes
    )
