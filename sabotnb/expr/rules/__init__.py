"""The functions that expressions are made of: one rule per name, which checks types and gives a kernel.

Importing this loads ``pyarrow.compute``, so it is imported where expressions are compiled, not where they are written.
"""

from collections.abc import Mapping

from sabotnb.expr.rules import arithmetic, choice, logic, nested, numbers, text, time
from sabotnb.expr.rules.overload import Arg, Overload, Refused, Rule

RULES: Mapping[str, Rule] = {
    **arithmetic.RULES,
    **choice.RULES,
    **logic.RULES,
    **nested.RULES,
    **numbers.RULES,
    **text.RULES,
    **time.RULES,
}

__all__ = ["RULES", "Arg", "Overload", "Refused", "Rule"]
