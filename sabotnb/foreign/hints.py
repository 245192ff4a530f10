"""``Hint``: what to write here for a name of another library: code to run, with a note if the code needs one."""

from __future__ import annotations

from typing import NamedTuple


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
