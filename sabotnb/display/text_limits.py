"""Limits of text in cards, tables and pictures, in letters, and the function that cuts a text to one.

Users choose the names of jobs, operators and columns, and the values: every text of theirs is cut before it is shown.
"""

from __future__ import annotations

import re

NAME = 48
"""A column's name or type; ``.schema`` has them whole."""
SENTENCE = 200
LABEL = 36
"""The label of an edge."""
JOB = 60
"""A job's name in a card or in a line."""
BAR_JOB = 40
"""A job's name beside a progress bar."""
OPERATOR = 36
"""An operator's name in a card's tables."""
CHAIN = 60
"""The operators of a chain in a line of a terminal."""
CELL = 60
"""A value in a static table."""
SAMPLE_CELL = 200
"""A value or a name in a table of the widget."""
ANSWER = 1_000
"""The answer to a click: some list names that users chose."""
MESSAGE = 1_000
"""The message of a job's failure."""
TRACEBACK = 20_000
"""A traceback, and a sample of rows."""
CODE = 10_000
"""The source of a user's function."""
TITLE = 90
"""The title of a stream's card."""
TEXT_BOX = 44
"""A line in a box of a picture made of text."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def cut(text: str, letters: int) -> str:
    """Return ``text`` as one line of at most ``letters``; an ellipsis replaces what is cut."""
    # Slicing comes first: a text may have megabytes, of which the pattern should see only what is shown.
    line = _CONTROL.sub(" ", text[: letters + 1])
    return line if len(line) <= letters else line[: letters - 1] + "…"
