"""Rules of functions of text. Lengths and positions count characters, not bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.expr.rules.overload import Arg, Options, Overload, Refused, Rule
from sabotnb.expr.rules.parsing import parser
from sabotnb.expr.scalars import scalar
from sabotnb.expr.types import is_text


def _text(name: str, arg: Arg) -> pa.DataType:
    if t.is_null(arg.type):
        return pa.string()
    if not is_text(arg.type):
        raise Refused(f".str.{name} needs text, this is {arg.type}; cast it first: .cast('string')")
    return arg.type


def _changed(name: str, make: Callable[[Options], Callable[[Any], Any]]) -> Rule:
    """A rule for a function from text to text."""

    def rule(args: Sequence[Arg], options: Options) -> Overload:
        text = _text(name, args[0])
        return Overload((text,), text, _tried(make(options)))

    return rule


def _tested(name: str, make: Callable[[Options], Callable[[Any], Any]]) -> Rule:
    """A rule for a function from text to boolean."""

    def rule(args: Sequence[Arg], options: Options) -> Overload:
        return Overload((_text(name, args[0]),), pa.bool_(), _tried(make(options)))

    return rule


def _tried(kernel: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Try ``kernel`` on an empty text and return it: a bad regular expression is refused where it is written."""
    try:
        kernel(scalar("", pa.string()))
    except pa.ArrowInvalid as error:
        dollars = ", and $$ for a dollar sign" if "Rewrite" in str(error) else ""
        raise Refused(f"{str(error).rstrip('.')}; for plain text write literal=True{dollars}") from error
    return kernel


def _strip(options: Options) -> Callable[[Any], Any]:
    characters, side = options["characters"], options["side"]
    if characters is None:
        blank = {"both": pc.utf8_trim_whitespace, "start": pc.utf8_ltrim_whitespace, "end": pc.utf8_rtrim_whitespace}
        return cast("Callable[[Any], Any]", blank[side])
    trim = {"both": pc.utf8_trim, "start": pc.utf8_ltrim, "end": pc.utf8_rtrim}[side]
    return lambda data: trim(data, characters=characters)


def _contains(options: Options) -> Callable[[Any], Any]:
    match = pc.match_substring if options["literal"] else pc.match_substring_regex
    return lambda data: match(data, pattern=options["pattern"])


def _replace(options: Options) -> Callable[[Any], Any]:
    pattern = options["pattern"]
    value = options["value"] if options["literal"] else _groups(options["value"])
    replace = pc.replace_substring if options["literal"] else pc.replace_substring_regex
    if options["literal"] and not pattern:  # Arrow never returns for an empty literal, but does for an empty regex
        replace, value = pc.replace_substring_regex, value.replace("\\", "\\\\")
    limit = None if options["every"] else 1
    return lambda data: replace(data, pattern=pattern, replacement=value, max_replacements=limit)


def _groups(value: str) -> str:
    r"""Rewrite groups from the syntax of polars (``$1``, ``${1}``) to that of RE2 (``\1``)."""

    def group(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        number = found[1] or found[2]
        if len(number) > 1 or not number.isdecimal():
            raise Refused(f"{found[0]} is not a group that a replacement can have; number it, $1 to $9, or write $$")
        return f"\\{number}"

    return re.sub(r"\$\$|\$(\d+)|\$\{(\w+)\}", group, value)


def _slice(options: Options) -> Callable[[Any], Any]:
    offset, length = options["offset"], options["length"]
    stop = None if length is None or (offset < 0 and offset + length >= 0) else offset + length
    return lambda data: pc.utf8_slice_codeunits(data, start=offset, stop=stop)


def _length(args: Sequence[Arg], _: Options) -> Overload:
    return Overload((_text("len", args[0]),), pa.int64(), lambda data: pc.cast(pc.utf8_length(data), pa.int64()))


def _split(args: Sequence[Arg], options: Options) -> Overload:
    text = _text("split", args[0])
    if not options["by"]:
        raise Refused(".str.split needs a text to split by, not an empty one")
    return Overload((text,), pa.list_(text), lambda data: pc.split_pattern(data, pattern=options["by"]))


def _parsed(args: Sequence[Arg], options: Options) -> Overload:
    """``str.to_datetime``: text as a timestamp in microseconds; text that does not parse raises."""
    text, moment = _text("to_datetime", args[0]), pa.timestamp("us")
    written = options["format"]
    kernel = parser(written) if written is not None else lambda data: pc.cast(data, moment)
    return Overload((text,), moment, kernel, total=False)


RULES: dict[str, Rule] = {
    "str.len": _length,
    "str.lower": _changed("lower", lambda _: pc.utf8_lower),
    "str.upper": _changed("upper", lambda _: pc.utf8_upper),
    "str.strip": _changed("strip", _strip),
    "str.contains": _tested("contains", _contains),
    "str.starts_with": _tested("starts_with", lambda given: lambda data: pc.starts_with(data, pattern=given["prefix"])),
    "str.ends_with": _tested("ends_with", lambda given: lambda data: pc.ends_with(data, pattern=given["suffix"])),
    "str.replace": _changed("replace", _replace),
    "str.slice": _changed("slice", _slice),
    "str.split": _split,
    "str.to_datetime": _parsed,
}
