"""Pieces of HTML that follow a notebook's theme: inline styles only, each colour with a default of its own."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

INK = "var(--jp-ui-font-color1,#1f2937)"
FAINT = "var(--jp-ui-font-color2,#64748b)"
PAPER = "var(--jp-layout-color1,#ffffff)"
STRIPE = "var(--jp-layout-color2,#f3f4f6)"
LINE = "var(--jp-border-color2,#d8dee6)"
SANS = "var(--jp-ui-font-family,system-ui,'Segoe UI','DejaVu Sans',sans-serif)"
MONO = "var(--jp-code-font-family,ui-monospace,Menlo,'DejaVu Sans Mono',monospace)"


def panel(inside: str) -> str:
    """A framed box."""
    style = (
        f"color:{INK};background:{PAPER};border:1px solid {LINE};border-radius:8px;padding:10px 12px;"
        f"font:13px/1.5 {SANS};display:inline-block;max-width:100%;box-sizing:border-box"
    )
    return f'<div style="{style}">{inside}</div>'


def scrolled(inside: str) -> str:
    """Wide content that scrolls by itself."""
    return f'<div style="overflow-x:auto;margin:8px 0;line-height:0">{inside}</div>'


def faint(text: str) -> str:
    """Text of second rank."""
    return f'<span style="color:{FAINT}">{escape(text)}</span>'


def sentences(lines: Sequence[str]) -> str:
    """A line of its own for each."""
    return "".join(f'<div style="color:{FAINT}">{escape(line)}</div>' for line in lines)


def folded(title: str, inside: str) -> str:
    """Content that can be folded away; open at first."""
    summary = f'<summary style="cursor:pointer;color:{FAINT}">{escape(title)}</summary>'
    return f'<details open style="margin-top:6px">{summary}{inside}</details>'


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> str:
    """A table; ``numeric`` columns are aligned to the right. Everything is escaped."""
    heading = f"border-bottom:1px solid {LINE};font-weight:600"
    head = "".join(_cell("th", text, heading, right=right) for text, right in zip(header, numeric, strict=True))
    body = "".join(
        f'<tr style="background:{STRIPE if number % 2 else PAPER}">'
        + "".join(
            _cell("td", text, f"font-family:{MONO}", right=right) for text, right in zip(row, numeric, strict=True)
        )
        + "</tr>"
        for number, row in enumerate(rows)
    )
    style = f"border-collapse:collapse;font-size:12px;color:{INK};background:{PAPER};margin-top:4px"
    whole = f'<table style="{style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div style="overflow-x:auto">{whole}</div>'


def _cell(tag: str, text: str, more: str, *, right: bool) -> str:
    align = "right" if right else "left"
    return f'<{tag} style="padding:2px 10px;text-align:{align};white-space:nowrap;{more}">{escape(text)}</{tag}>'
