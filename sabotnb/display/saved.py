"""Makes cards readable where a page sanitizes HTML: in notebooks that are not trusted, on sites that show notebooks.

Such pages remove tags or attributes and keep the text between them. A card therefore has its content three times, of
which a page shows exactly one: inline SVG that follows the theme; an image of it, where SVG is removed but images are
not (JupyterLab, for a notebook that is not trusted); plain text, where styles are removed, too (``nbconvert
--sanitize-html``).
"""

from __future__ import annotations

import re
from html import escape

# JupyterLab, Notebook 7 and pages of nbconvert hide these classes; an inline style overrides them while it is there
HIDDEN = "lm-Widget lm-mod-hidden"
SHOWN = "display:block !important"

_VARIABLE = re.compile(r"var\(--jp-[\w-]+,([^()]*)\)")
_TOOLTIP = re.compile(r"<title>[^<]*</title>\n?")
_NAME = re.compile(r' role="img" aria-label="[^"]*"')
_IN_A_URL = str.maketrans({letter: f"%{ord(letter):02X}" for letter in "%#<>"} | {"'": "", '"': "'", "\n": ""})
"""Pages are UTF-8, and so are their data URLs: no other character needs to be escaped."""
_NO_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")


def card(html: str, text: str) -> str:
    """Return ``html``, followed by ``text`` that is visible only where a page removes inline styles."""
    return (
        f'<div class="{HIDDEN}" style="{SHOWN}">{html}</div>'
        f'<div style="display:none"><pre><code>{escape(_NO_XML.sub("?", text))}</code></pre></div>'
    )


def picture(svg: str, alternative: str) -> str:
    """Return ``svg`` with an image of itself in its description, visible where a page removes the tags around it.

    The image has the default colours: CSS variables of the page do not reach into an image.
    """
    plain = _VARIABLE.sub(r"\1", _NAME.sub("", _TOOLTIP.sub("", _NO_XML.sub("?", svg))))
    data = escape(plain.translate(_IN_A_URL), quote=False)
    opening, rest = svg.split(">", 1)
    image = f'<img alt="{escape(alternative)}" src="data:image/svg+xml;charset=utf-8,{data}"/>'
    return f"{opening}><desc>{image}</desc>{rest}"
