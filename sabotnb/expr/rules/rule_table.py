"""The table of all built-in functions by name. Each of them refuses extension types, unless it takes any type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.expr.rules import arithmetic, choice, logic, nested, numbers, text_functions, time
from sabotnb.expr.rules.overload import Arg, Overload, Refused, Rule

_ALL: Mapping[str, Rule] = {
    **arithmetic.RULES,
    **choice.RULES,
    **logic.RULES,
    **nested.RULES,
    **numbers.RULES,
    **text_functions.RULES,
    **time.RULES,
}
_OF_ANY_TYPE = frozenset({"cast", "is_null", "is_not_null"})


def _of_plain_types(rule: Rule) -> Rule:
    """Wrap ``rule`` to refuse extension types (UUIDs, JSON, ...), for which Arrow has no kernels."""

    def checked(args: Sequence[Arg], options: Mapping[str, Any]) -> Overload:
        for arg in args:
            if isinstance(arg.type, pa.BaseExtensionType):
                raise Refused(f"nothing can be computed with {arg.type}; cast it first: .cast({_stored(arg.type)})")
        return rule(args, options)

    return checked


def _stored(data_type: pa.BaseExtensionType) -> str:
    """The storage type, spelled as ``cast`` takes it."""
    stored = data_type.storage_type
    return f"pa.binary({stored.byte_width})" if pa.types.is_fixed_size_binary(stored) else f"'{stored}'"


RULES: Mapping[str, Rule] = {
    name: rule if name in _OF_ANY_TYPE else _of_plain_types(rule) for name, rule in _ALL.items()
}
