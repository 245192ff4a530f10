"""The limits of text in cards, tables, pictures, plans and messages, in letters, and the functions that cut to them.

Users choose the names of jobs, operators and columns, and the values: every text of theirs is cut before it is shown.
How many items a list names is a matter of each list.
"""

from __future__ import annotations

import re

NAME = 48
"""A column's name or type; ``.schema`` has them whole."""
SENTENCE = 200
JOB_SENTENCE = 300
"""What became of a job: the worker that it lost, what that cost it, and from where it goes on."""
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
GRAPHVIZ_LABEL = 60
"""A label in a picture that Graphviz draws."""
FINDING_NAME = 48
"""A name in the sentence of a finding; a longer one is cut, or the sentence does without it."""
HOT_KEY = 200
"""A frequent key of a probe."""
VALUE = 100
"""A value in a message."""
ARGUMENT = 40
"""A value in code that a message advises."""
ARGUMENTS = 60
"""All arguments of a call in code that a message advises; longer ones are left out."""
PATH = 40
"""The beginning of a path, or of one of its names, that is too long to be one."""
KIND = 40
"""The kind of a command that a page sends and the kernel does not know."""
ROWS_CELL = 32
"""A value in the rows that are shown with an error."""
ROWS_LINE = 100
"""A line of these rows; longer ones become a line for each column."""
SOURCE_LINE = 110
"""A line of the user's code; a longer one is cut around the name at fault."""
EXCEPTION = 2_000
"""The message of a user's exception; some contain all of their data."""
REPORTED_TRACEBACK = 50_000
"""A traceback that a task reports; only the end of a longer one is kept."""
EXPRESSION = 10_000
"""One expression used twice by another, and that twice by a third, doubles the text each time."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def cut(text: str, letters: int) -> str:
    """Return ``text`` as one line of at most ``letters``; an ellipsis replaces what is cut."""
    # Slicing comes first: a text may have megabytes, of which the pattern should see only what is shown.
    line = _CONTROL.sub(" ", text[: letters + 1])
    return line if len(line) <= letters else line[: letters - 1] + "…"


def beginning(text: str, letters: int) -> str:
    """Return the first ``letters`` of ``text``; three dots follow if there are more."""
    return text if len(text) <= letters else f"{text[:letters]}..."


def within(text: str, letters: int) -> str:
    """Return ``text`` in at most ``letters``; three dots replace what is cut."""
    return text if len(text) <= letters else f"{text[: letters - 3]}..."
