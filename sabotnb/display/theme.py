"""HTML elements in the colours of a notebook's theme: inline styles only, each colour with a default."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

INK = "var(--jp-ui-font-color1,#1f2937)"
FAINT = "var(--jp-ui-font-color2,#64748b)"
PAPER = "var(--jp-layout-color1,#ffffff)"
STRIPE = "var(--jp-layout-color2,#f3f4f6)"
LINE = "var(--jp-border-color2,#d8dee6)"
FAILED = "var(--jp-error-color1,#d13438)"
SANS = "var(--jp-ui-font-family,system-ui,'Segoe UI','DejaVu Sans',sans-serif)"
MONO = "var(--jp-code-font-family,ui-monospace,Menlo,'DejaVu Sans Mono',monospace)"


def panel(inside: str) -> str:
    """Return a framed box."""
    style = (
        f"color:{INK};background:{PAPER};border:1px solid {LINE};border-radius:8px;padding:10px 12px;"
        f"font:13px/1.5 {SANS};display:inline-block;max-width:100%;box-sizing:border-box"
    )
    return f'<div style="{style}">{inside}</div>'


def scrolled(inside: str, least: float) -> str:
    """Return a picture that shrinks with its page down to ``least`` pixels wide; below that it scrolls."""
    # notebooks set max-width: 100 % on pictures, so the limit has to be on the element around the picture
    inner = f'<div style="min-width:{least:.0f}px">{inside}</div>'
    # texts in the picture set their own size; where its tags are removed, size 0 hides the letters that are left
    return f'<div style="overflow-x:auto;margin:8px 0;line-height:0;font-size:0">{inner}</div>'


def faint(text: str) -> str:
    """Return secondary text."""
    return f'<span style="color:{FAINT}">{escape(text)}</span>'


def sentences(lines: Sequence[str]) -> str:
    """Return each of ``lines`` on a line of its own."""
    return "".join(f'<div style="color:{FAINT};margin-top:4px">{escape(line)}</div>' for line in lines)


def hinted(line: str, hint: str) -> str:
    """Return a line of its own; its ``hint`` shows while the pointer is on it."""
    return f'<div style="color:{FAINT};margin-top:4px" title="{escape(hint)}">{escape(line)}</div>'


def folded(title: str, inside: str, *, opened: bool) -> str:
    """Return content that the user can fold away."""
    summary = f'<summary style="cursor:pointer;color:{FAINT}">{escape(title)}</summary>'
    return f'<details{" open" if opened else ""} style="margin-top:6px">{summary}{inside}</details>'


def side_by_side(parts: Sequence[str]) -> str:
    """Return parts beside each other, wrapped where the page is narrow."""
    return f'<div style="display:flex;flex-wrap:wrap;align-items:flex-start;gap:0 28px">{"".join(parts)}</div>'


def badge(text: str, colour: str) -> str:
    """Return a word in a small frame."""
    frame = f"border:1px solid {colour};border-radius:9px;padding:1px 8px;margin:0 4px"
    return f'<span style="color:{colour};{frame};font-size:11px;font-weight:600">{escape(text)}</span>'


def verbatim(text: str) -> str:
    """Return preformatted lines, wrapped where the page is narrow."""
    style = f"color:{INK};font:12px/1.5 {MONO};white-space:pre-wrap;overflow-wrap:anywhere;margin-top:4px"
    return f'<div style="{style}">{escape(text)}</div>'


def framed(text: str) -> str:
    """Return preformatted lines with a background, as code."""
    style = (
        f"color:{INK};background:{STRIPE};border:1px solid {LINE};border-radius:6px;padding:6px 10px;margin:4px 0;"
        f"font:12px/1.5 {MONO};white-space:pre;overflow:auto;max-height:340px"
    )
    return f'<pre style="{style}">{escape(text)}</pre>'


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], types: Sequence[str] = ()
) -> str:
    """Return a table with ``types`` below the names; ``numeric`` columns are right-aligned. Everything is escaped."""
    ruled = f"border-bottom:1px solid {LINE};"
    bold, small = f"{'' if types else ruled}font-weight:600", f"{ruled}font-weight:400;font-size:11px;color:{FAINT}"
    head = "".join(_cell("th", text, bold, right=right) for text, right in zip(header, numeric, strict=True))
    if types:
        second = "".join(_cell("th", text, small, right=right) for text, right in zip(types, numeric, strict=True))
        head = f'{head}</tr><tr style="background:{PAPER}">{second}'
    body = "".join(
        f'<tr style="background:{STRIPE if number % 2 else PAPER}">'
        + "".join(_cell("td", text, "", right=right) for text, right in zip(row, numeric, strict=True))
        + "</tr>"
        for number, row in enumerate(rows)
    )
    style = f"border-collapse:collapse;font-size:12px;color:{INK};background:{PAPER};margin:4px 0 0"
    whole = (
        f'<table style="{style}"><thead><tr style="background:{PAPER}">{head}</tr></thead>'
        f'<tbody style="font-family:{MONO}">{body}</tbody></table>'
    )
    return f'<div style="overflow-x:auto">{whole}</div>'


def _cell(tag: str, text: str, more: str, *, right: bool) -> str:
    align = "right" if right else "left"
    style = ";".join(filter(None, (f"padding:2px 10px;text-align:{align};white-space:nowrap", more)))
    return f'<{tag} style="{style}">{escape(text)}</{tag}>'
