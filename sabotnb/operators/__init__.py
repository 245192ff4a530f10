"""The operators that tasks run, one module per kind, and ``create``, which chooses the operator for a spec."""

from sabotnb.operators.create import create
from sabotnb.operators.formats import check_format, given
from sabotnb.operators.join import JoinOperator
from sabotnb.operators.process.keyed_process import KeyedProcess, check_process_class, list_state, map_state, value
from sabotnb.operators.process.process_operator import ProcessOperator
from sabotnb.operators.readable_states import readable
from sabotnb.operators.result_conversion import WrongResult, schema_of
from sabotnb.operators.row_results import awaited, dicts

__all__ = [
    "JoinOperator",
    "KeyedProcess",
    "ProcessOperator",
    "WrongResult",
    "awaited",
    "check_format",
    "check_process_class",
    "create",
    "dicts",
    "given",
    "list_state",
    "map_state",
    "readable",
    "schema_of",
    "value",
]
