import pickle

import pyarrow as pa
import pytest
from taskjobs import X, rows

from sabotnb.blobs import Function, Origin, user_error
from sabotnb.errors import (
    ColumnNotFound,
    JobFailed,
    ModuleMissing,
    OutOfMemory,
    SinkError,
    SourceError,
    UserFunctionError,
)
from sabotnb.graph import specs
from sabotnb.graph.job_graph import Operator as Node
from sabotnb.task.failure_report import error_of, failure_of
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


def test_a_missing_module_has_advice():
    failure = failed(ModuleNotFoundError("No module named 'geo'", name="geo.shapes"), step="open")
    assert failure.error == "ModuleMissing"
    assert failure.message == "agent-2 has no module geo (cell [7], line 3): env.upload('geo.py')"
    assert isinstance(error_of(failure), ModuleMissing)


def test_a_users_function_is_named_with_its_line_and_its_rows():
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


class NoTextError(ValueError):
    def __str__(self):
        raise RuntimeError("no text")


class ExitingError(ValueError):
    def __str__(self):
        raise SystemExit(3)


class ExitingReduceError(ValueError):
    def __reduce__(self):
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (NoTextError("x"), "NoTextError: (its text cannot be made: RuntimeError)"),
        (ExitingError("x"), "ExitingError: (its text cannot be made: SystemExit)"),
        (ExitingReduceError("x"), "ExitingReduceError: x"),
    ],
)
def test_exceptions_that_cannot_be_formatted_or_pickled_are_described(cause, text):
    failure = failed(cause, batch=pa.record_batch({"t": pa.array([1 << 60], pa.timestamp("us"))}))
    assert failure.message == f"map_0: parse (cell [7], line 3) raised {text} in process"
    assert failure.sample.startswith("t\n<timestamp[us]: ")
    assert isinstance(error_of(failure), UserFunctionError)


def test_an_exception_without_a_wrapper_is_described():
    failure = failed(ValueError("bad"), batch=BATCH)
    assert failure.message == "map_0: parse (cell [7], line 3) raised ValueError: bad in process"
    assert failure.sample == "x\n1\n2"


@pytest.mark.parametrize(
    ("spec", "cause", "expected"),
    [
        (specs.Source("csv", X), OSError("gone"), SourceError),
        (specs.Sink("csv"), OSError("full"), SinkError),
        (specs.Union(1), OverflowError("too large"), JobFailed),
        (specs.Union(1), MemoryError("malloc of 8 bytes failed"), OutOfMemory),
        (specs.Distinct(("k",)), pa.ArrowMemoryError("malloc of size 64 failed"), OutOfMemory),
        (specs.Union(1), ColumnNotFound("column 'y' is not in the stream"), ColumnNotFound),
    ],
)
def test_the_error_class_names_the_cause(spec, cause, expected):
    error = error_of(failed(cause, Node("op", spec)))
    assert type(error) is expected
    assert str(cause) in str(error)
    assert "op" in str(error)


@pytest.mark.parametrize("cause", [UnpicklableError("local"), ValueError("x" * (2 << 20))])
def test_an_exception_that_cannot_be_pickled_leaves_its_text(cause):
    failure = failed(cause)
    assert failure.pickled == b""
    assert error_of(failure).__cause__ is None
    assert str(cause) in str(error_of(failure))


def test_a_failure_is_plain_data():
    failure = failed(ValueError("bad"), batch=BATCH)
    assert pickle.loads(pickle.dumps(failure)) == failure


def test_an_error_outside_all_steps_has_the_full_traceback():
    try:
        raise KeyError("lost")
    except KeyError as error:
        failure = failure_of(error, "agent-2")
    assert failure.error == "ProtocolError"
    assert "test_failure_report.py" in failure.traceback


def test_a_users_exception_ends_with_advice():
    raised = user_error(PARSE, ValueError("bad"), sample="x\n1")
    raised.user_traceback = "cell [7], line 3"
    raised.__cause__ = ValueError("bad")
    assert str(error_of(failed(raised))).endswith("on_error='side', and read them from .side('errors')")
    in_filter = Node("filter_0", specs.FilterBatches(PARSE))
    assert str(error_of(failed(ValueError("bad"), in_filter))).endswith(
        ".head() tries it on a few rows in this process"
    )


def test_a_sink_error_shows_no_rows():
    full = SinkError("writing into 'out' failed (no space): make room there, or give another folder")
    error = error_of(failed(full, Node("sink_0", specs.Sink("csv")), batch=BATCH))
    assert str(error) == f"sink_0: {full}"


@pytest.mark.parametrize(
    ("module", "advice"),
    [
        ("geo_elsewhere", "env.upload('{folder}/geo_elsewhere.py')"),
        ("geo_package", "install it on every worker"),
        ("geo_nowhere", "env.upload('geo_nowhere.py')"),
    ],
)
def test_the_client_names_the_path_of_a_missing_module(tmp_path, monkeypatch, module, advice):
    (tmp_path / "geo_elsewhere.py").write_text("")
    (tmp_path / "geo_package").mkdir()
    (tmp_path / "geo_package" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    failure = failed(ModuleNotFoundError(f"No module named '{module}'", name=module), step="open")
    message = f"agent-2 has no module {module} (cell [7], line 3): {advice.format(folder=tmp_path)}"
    assert str(error_of(failure)) == message


def test_a_partitioning_function_is_described_like_other_functions():
    raised = user_error(PARSE, ValueError("bad"), sample="x\n1", operator="source_0")
    raised.__cause__ = ValueError("bad")
    raised.user_traceback = "  cell [7], line 3, in parse"
    error = error_of(failure_of(raised, "agent-2"))
    assert str(error).splitlines() == [
        "source_0: parse (cell [7], line 3) raised ValueError: bad",
        "  cell [7], line 3, in parse",
        "rows it was given:",
        "x",
        "1",
        "correct it; .head() tries it on a few rows in this process",
    ]
    assert isinstance(error.__cause__, ValueError)
    assert error.operator == "source_0"
