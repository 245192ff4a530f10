"""The operators that tasks run, one module per kind, and ``create``, which chooses the operator for a spec."""

from sabotnb.operators.create import create
from sabotnb.operators.formats import check_format, given
from sabotnb.operators.join import JoinOperator
from sabotnb.operators.map_rows import dicts
from sabotnb.operators.result_conversion import WrongResult, schema_of

__all__ = [
    "JoinOperator",
    "WrongResult",
    "check_format",
    "create",
    "dicts",
    "given",
    "schema_of",
]
