"""Draws a view of a job with its metrics as static SVG, at the coordinates that the widget uses, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from sabotnb import text_limits
from sabotnb.diagram import svg_drawing
from sabotnb.display import number_format, saved
from sabotnb.display.job_picture import PictureNode, View
from sabotnb.display.picture_style import ACCENTS, stroke
from sabotnb.display.picturing import TEXT_LETTER
from sabotnb.display.theme import FAILED
from sabotnb.metrics import Load
from sabotnb.text_limits import cut

LOADS = (("busy", "#3b82f6"), ("backpressured", "#d97706"))
"""Parts of a load bar and their colours; the rest is idle."""
BAR_TOP, BAR_HEIGHT = 46.0, 8.0
TITLE, TEXT, FIGURES = 20.0, 37.0, 74.0
"""Baselines in a box of 84 pixels."""
LEFT, RIGHT = 13.0, 11.0
FAINT = 'fill-opacity=".7"'
"""Secondary text, in the colour that the letters inherit."""
BOLD_LETTER = 7.4
"""Pixels: the width of a semi-bold letter at 11 px, rounded up."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The changing part of a box: a line of counts, the load if there is one to show, and which operator failed."""

    text: str = ""
    load: Load | None = None
    failed: str = ""


def draw(view: View, marks: Mapping[str, Mark]) -> tuple[str, float]:
    """Return an ``<svg>`` of ``view``, and the least width to show it at in pixels; ``marks`` by the ids of its nodes.

    Each text is on a line of its own, so that it can be read where a page removes the tags of SVG.
    """
    inside = [
        *(svg_drawing.arrow(line, stroke(line.type)) for line in view.lines),
        *(_node(node, marks.get(node.id, Mark())) for node in view.nodes),
    ]
    alternative = _alternative(view.nodes, marks)
    svg, narrowest = svg_drawing.sheet(view.width, view.height, alternative, "\n".join(inside))
    return saved.picture(svg, alternative), narrowest


def fits(node: PictureNode, text: str) -> bool:
    """Return True if a line of counts fits into its box."""
    return LEFT + len(text) * TEXT_LETTER + RIGHT <= node.width


def failed_letters(node: PictureNode) -> int:
    """Return the letters of an operator's name that fit between ``✕`` and ``failed``."""
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
    """Return the load as a bar; a thin line if there is none to show."""
    if load is None:
        return f'<path d="M{LEFT:g} {BAR_TOP + BAR_HEIGHT / 2:g}h{width:g}" stroke="{svg_drawing.FRAME}"/>'
    size = f'y="{BAR_TOP:g}" height="{BAR_HEIGHT:g}"'
    parts = [f'<rect x="{LEFT:g}" {size} width="{width:g}" rx="2" fill="{svg_drawing.FRAME}"/>']
    x = LEFT
    for name, colour in LOADS:
        length = getattr(load, name) * width
        parts.append(f'<rect x="{x:.1f}" {size} width="{length:.1f}" fill="{colour}"/>')
        x += length
    return "".join(parts)


def _failed(text: str) -> str:
    """Return words instead of the load: colour alone is not readable by everybody."""
    return _text(LEFT, BAR_TOP + BAR_HEIGHT, f"✕ {text}", f' font-weight="600" fill="{FAILED}"')


def _described(node: PictureNode, mark: Mark) -> str:
    chain = cut(" · ".join(node.operators), text_limits.SENTENCE)
    load = f"; {number_format.share(mark.load.busy)} busy" if mark.load else ""
    return f"{chain} ({node.tasks} tasks): {mark.text}{load}{f'; {mark.failed}' if mark.failed else ''}"


def _alternative(nodes: Sequence[PictureNode], marks: Mapping[str, Mark]) -> str:
    return "Job: " + "; ".join(
        f"{cut(node.id, text_limits.NAME)} {marks[node.id].text if node.id in marks else ''}".rstrip() for node in nodes
    )
