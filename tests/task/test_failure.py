import pickle

import pyarrow as pa
import pytest
from taskjobs import X, rows

from sabotnb.blobs import Function, Origin, user_error
from sabotnb.errors import ColumnNotFound, JobFailed, ModuleMissing, SinkError, SourceError, UserFunctionError
from sabotnb.graph import specs
from sabotnb.graph.job_graph import Operator as Node
from sabotnb.task.failure import error_of, failure_of
from sabotnb.task.steps import StepFailed

BATCH = pa.RecordBatch.from_pylist(rows(1, 2), schema=X)
PARSE = Function("0" * 64, "parse", "parse", Origin("cell [7], line 3"), b"")
MAP = Node("map_0", specs.MapBatches(PARSE, X))


def failed(cause, node=MAP, step="process", batch=None):
    try:
        raise StepFailed(node, step, batch) from cause
    except StepFailed as error:
        return failure_of(error, "agent-2")


class UnpicklableError(ValueError):
    def __reduce__(self):
        raise TypeError("no")


def test_a_missing_module_says_what_to_do():
    failure = failed(ModuleNotFoundError("No module named 'geo'", name="geo.shapes"), step="open")
    assert failure.error == "ModuleMissing"
    assert failure.message == "agent-2 has no module geo (cell [7], line 3): env.upload('geo.py')"
    assert isinstance(error_of(failure), ModuleMissing)


def test_a_users_function_is_named_with_its_place_and_its_rows():
    raised = user_error(PARSE, ValueError("bad"), sample="x\n1")
    raised.__cause__ = ValueError("bad")
    failure = failed(raised, batch=BATCH)
    assert (failure.error, failure.operator, failure.sample) == ("UserFunctionError", "map_0", "x\n1")
    assert failure.message.startswith("map_0: parse (cell [7], line 3) raised ValueError: bad")
    error = error_of(failure)
    assert isinstance(error, UserFunctionError)
    assert isinstance(error.__cause__, ValueError)
    assert "rows it was given:\nx\n1" in str(error)
    assert (error.operator, error.sample) == ("map_0", "x\n1")


def test_an_exception_that_is_not_wrapped_is_described_as_well():
    failure = failed(ValueError("bad"), batch=BATCH)
    assert failure.message == "map_0: parse (cell [7], line 3) raised ValueError: bad in process"
    assert failure.sample == "x\n1\n2"


@pytest.mark.parametrize(
    ("spec", "cause", "expected"),
    [
        (specs.Source("csv", X), OSError("gone"), SourceError),
        (specs.Sink("csv"), OSError("full"), SinkError),
        (specs.Union(1), OverflowError("too large"), JobFailed),
        (specs.Union(1), ColumnNotFound("column 'y' is not in the stream"), ColumnNotFound),
    ],
)
def test_the_class_says_whose_fault_it_is(spec, cause, expected):
    error = error_of(failed(cause, Node("op", spec)))
    assert type(error) is expected
    assert str(cause) in str(error)
    assert "op" in str(error)


@pytest.mark.parametrize("cause", [UnpicklableError("local"), ValueError("x" * (2 << 20))])
def test_an_exception_that_cannot_travel_leaves_its_text(cause):
    failure = failed(cause)
    assert failure.pickled == b""
    assert error_of(failure).__cause__ is None
    assert str(cause) in str(error_of(failure))


def test_a_failure_is_plain_data():
    failure = failed(ValueError("bad"), batch=BATCH)
    assert pickle.loads(pickle.dumps(failure)) == failure


def test_a_defect_of_our_own_shows_everything():
    try:
        raise KeyError("lost")
    except KeyError as error:
        failure = failure_of(error, "agent-2")
    assert failure.error == "ProtocolError"
    assert "test_failure.py" in failure.traceback
