"""Fills hints: replaces the example names and arguments in their code by those that the user typed."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable

from sabotnb.foreign.hints import Hint
from sabotnb.foreign.typed_calls import arguments_of, function_in, numbers_in, strings_in, wants_descending
from sabotnb.text_limits import ARGUMENTS

_EXAMPLE = re.compile(r"'([xystlrz])'(?!: (?:'int64'|1\b))")
"""The example columns in a hint, but not names of a schema or of a row, which are not columns of the user's stream."""
_PATH = re.compile(r"'(?:out|data/\*\.\w+)'")
_ROWS = re.compile(r"(?<=\.head\()5|(?<=\.top\()[15]\b")
_FUNCTION = re.compile(r"lambda row: row(?=\))|lambda batch: batch(?=\))|\bfunction\b|\bprint\b|(?<=process\()P\b")
_SIZE = re.compile(r"(?<=tumbling\()'1h'|(?<=session\()'30m'")
_DURATION = re.compile(r"\d+(?:us|ms|s|m|h|d|w|mo)")
_QUANTILE = re.compile(r"quantile\(0\.\d+\)")
_NEW_NAME = "z"


def filled(hint: Hint, call: ast.Call | None, column: str | None = None, columns: Collection[str] | None = None) -> str:
    """The text of ``hint`` with the arguments of ``call``.

    ``column`` is the column on which the user looked up the name. ``columns`` are all columns of the stream, or None if
    they are unknown.
    """
    code = hint.code
    if call is not None and hint.keeps_arguments and (call.args or call.keywords):
        arguments = arguments_of(call)
        if len(arguments) <= ARGUMENTS:
            code = f"{code[: code.rindex('(')]}({arguments})"
            call = None
    strings = strings_in(call) if call is not None else ()
    code = _with_columns(code, strings, column, columns)
    if call is not None:
        code = _with_values(code, call, strings)
    return str(hint._replace(code=code))


def _with_columns(code: str, strings: Iterable[str], column: str | None, columns: Collection[str] | None) -> str:
    letters = list(dict.fromkeys(_EXAMPLE.findall(code)))
    places = [letter for letter in letters if letter != _NEW_NAME]
    names: dict[str, str] = {}
    if column is not None and places:
        receiver = "x" if "x" in places else places[0]
        names[receiver] = column
        places.remove(receiver)
    known = [text for text in strings if (text.isidentifier() if columns is None else text in columns)]
    names.update(zip(places, known, strict=False))
    new = [text for text in strings if text not in names.values()]
    if new and names and _NEW_NAME in letters:
        names[_NEW_NAME] = new[0]
    return _EXAMPLE.sub(lambda found: repr(names.get(found[1], found[1])), code)


def _with_values(code: str, call: ast.Call, strings: tuple[str, ...]) -> str:
    if strings and code.startswith((".", "sb.Stream")):
        code = _PATH.sub(lambda _: repr(strings[0]), code)
    numbers = numbers_in(call)
    if numbers and isinstance(numbers[0], int) and numbers[0] > 0:
        code = _ROWS.sub(str(numbers[0]), code)
    if function := function_in(call):
        code = _FUNCTION.sub(lambda _: function, code)
    if wants_descending(call):
        code = code.replace("descending=False", "descending=True")
    if numbers and 0 <= numbers[0] <= 100:
        share = numbers[0] if numbers[0] <= 1 else numbers[0] / 100  # a percentile
        code = _QUANTILE.sub(f"quantile({share})", code)
    durations = [text for text in strings if _DURATION.fullmatch(text)]
    return _SIZE.sub(repr(durations[0]), code) if len(durations) == 1 else code
