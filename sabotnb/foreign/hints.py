"""``Hint``: what to write here for a name of another library: code to run, with a note if the code needs one."""

from __future__ import annotations

from typing import NamedTuple

WITH_STATE = "window functions are not there yet; a class P of sb.KeyedProcess can store the row before"
"""The note of hints to process functions."""


class Hint(NamedTuple):
    """``code`` to run instead; ``note`` says how it differs.

    With ``keeps_arguments`` the last call of ``code`` takes the arguments that the user typed.
    """

    code: str
    note: str = ""
    keeps_arguments: bool = False

    def __str__(self) -> str:
        return f"{self.note}: {self.code}" if self.note else f"write {self.code}"


_AGGREGATES = {
    **{name: f"{name}()" for name in ("sum", "mean", "min", "max", "std", "var", "n_unique")},
    **dict.fromkeys(("median", "quantile"), "quantile(0.5)"),
    **dict.fromkeys(("avg", "average"), "mean()"),
    "nunique": "n_unique()",
}
"""Aggregates of a column, by their names in sabotnb and in other libraries."""


def aggregating(form: str, *left_out: str) -> dict[Hint, tuple[str, ...]]:
    """Return a hint for each aggregate: ``form`` with the aggregate's call in place of ``{}``."""
    calls = dict.fromkeys(_AGGREGATES.values())
    names = {call: tuple(n for n, c in _AGGREGATES.items() if c == call and n not in left_out) for call in calls}
    return {Hint(form.format(call)): named for call, named in names.items()}


def rolling(groups: str) -> dict[Hint, tuple[str, ...]]:
    """Return a hint for each rolling aggregate: a window of the last rows of a key, behind ``groups``."""
    note = "for the last three rows of a key; sb.sliding goes by time"
    form = f"{groups}.window(sb.count_window(3, every=1)).agg(col('x').{{}}())"
    return {Hint(form.format(name), note): (f"rolling_{name}",) for name in ("mean", "sum", "min", "max", "std", "var")}


def joining() -> dict[Hint, tuple[str, ...]]:
    """Return a hint for each kind of join that other libraries have as a method of its own."""
    kinds = ("inner", "left", "right", "full", "semi", "anti")
    more = {"full": ("outer_join", "outerJoin")}
    return {
        Hint(f".join(other, on='s', how={how!r})"): (
            f"{how}_join",
            f"{how}Join",
            f"{how}OuterJoin",
            *more.get(how, ()),
        )
        for how in kinds
    }
