"""What a card becomes where a page cleans its HTML: in notebooks that nobody trusts, on sites that show notebooks.

Such pages take tags or attributes away and keep the text between them. A card therefore says what it says three times,
and only one of them is ever seen: inline SVG that follows the theme; an image of it, where SVG has gone but images
have not (JupyterLab, of a notebook that is not trusted); plain text, where styles have gone, too (``nbconvert
--sanitize-html``).
"""

from __future__ import annotations

import re
from html import escape

# Lumino hides what has these classes, in JupyterLab, Notebook 7 and pages of nbconvert; a style says otherwise
HIDDEN = "lm-Widget lm-mod-hidden"
SHOWN = "display:block !important"

_VARIABLE = re.compile(r"var\(--jp-[\w-]+,([^()]*)\)")
_TOOLTIP = re.compile(r"<title>[^<]*</title>\n?")
_NAME = re.compile(r' role="img" aria-label="[^"]*"')
_IN_A_URL = str.maketrans({letter: f"%{ord(letter):02X}" for letter in "%#<>"} | {"'": "", '"': "'", "\n": ""})
"""A page is UTF-8, and so are its URLs of data: nothing else needs to be escaped."""
_NO_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")


def card(html: str, text: str) -> str:
    """``html``, and ``text`` where styles are taken away: only styles keep the one shown and the other hidden."""
    return (
        f'<div class="{HIDDEN}" style="{SHOWN}">{html}</div>'
        f'<div style="display:none"><pre><code>{escape(_NO_XML.sub("?", text))}</code></pre></div>'
    )


def picture(svg: str, alternative: str) -> str:
    """``svg`` with an image of itself as its description, which shows where the tags around it are taken away.

    The image has the colours that variables have by default: nothing outside reaches into it.
    """
    plain = _VARIABLE.sub(r"\1", _NAME.sub("", _TOOLTIP.sub("", _NO_XML.sub("?", svg))))
    data = escape(plain.translate(_IN_A_URL), quote=False)
    opening, rest = svg.split(">", 1)
    image = f'<img alt="{escape(alternative)}" src="data:image/svg+xml;charset=utf-8,{data}"/>'
    return f"{opening}><desc>{image}</desc>{rest}"
