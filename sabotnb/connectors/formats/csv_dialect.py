"""Checks the arguments that say how CSV files are written: separator, null markers, header and encoding."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import asdict
from difflib import get_close_matches
from encodings.aliases import aliases
from typing import Any

from sabotnb.connectors.formats.csv_parsing import Dialect
from sabotnb.errors import SourceError


def dialect_of(
    separator: str | None = None,
    null_values: Sequence[str] = ("",),
    *,
    has_header: bool = True,
    encoding: str = "utf-8",
) -> Dialect:
    """The dialect of these arguments; SourceError for one that is not valid."""
    if separator is not None and (
        not isinstance(separator, str) or len(separator.encode()) != 1 or separator in '"\r\n'
    ):
        raise SourceError(f"separator={separator!r} is not a single ASCII character: pass one, separator=';'")
    if isinstance(null_values, str) or not all(isinstance(value, str) for value in null_values):
        raise SourceError(f"null_values={null_values!r} is not a list of strings: pass one, null_values=['', 'NA']")
    if not isinstance(has_header, bool):
        raise SourceError(f"has_header={has_header!r} is not a boolean: pass has_header=False if files have no header")
    return Dialect(separator or ",", tuple(null_values), has_header, _known_encoding(encoding))


def options_of(dialect: Dialect) -> dict[str, Any]:
    """The options of a spec that describe how records are written."""
    return {**asdict(dialect), "null_values": list(dialect.null_values)}


def _known_encoding(encoding: str) -> str:
    """Python's name of ``encoding``.

    Files are cut into sections at the bytes of line breaks and quotes, so these must mean the same in every encoding.
    """
    try:
        known = codecs.lookup(encoding).name
        is_superset = bytes(range(128)).decode(known, "replace") == "".join(map(chr, range(128)))
    except UnicodeError:
        is_superset = False
    except (LookupError, TypeError) as error:
        near = get_close_matches(str(encoding).lower().replace("-", "_"), [*aliases, *aliases.values()], 1)
        hint = f"did you mean {near[0]!r}? " if near and near != [encoding] else ""
        raise SourceError(
            f"encoding={encoding!r} is not an encoding of text that Python knows: {hint}"
            "Pass its name, such as 'utf-8', 'latin-1', 'cp1252' or 'shift_jis'"
        ) from error
    if not is_superset:
        raise SourceError(
            f"files in {encoding!r} cannot be read in parallel: save them as UTF-8, "
            f"Path(file).write_text(Path(file).read_text({encoding!r}), 'utf-8')"
        )
    return "utf-8" if known == "utf-8-sig" else known
