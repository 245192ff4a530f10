"""The built-in functions of expressions: one rule per name, which checks types and returns a kernel.

Importing this loads ``pyarrow.compute``, so it is imported where expressions are compiled, not where they are written.
"""

from sabotnb.expr.rules.overload import Arg, Overload, Refused, Rule
from sabotnb.expr.rules.rule_table import RULES

__all__ = ["RULES", "Arg", "Overload", "Refused", "Rule"]
