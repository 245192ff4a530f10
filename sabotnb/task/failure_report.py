"""Converts an exception of a task to a ``Failure``, plain data for the client, and back to an exception there."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterator, Sequence

import pyarrow as pa

from sabotnb import errors, text_limits
from sabotnb.blobs import Function, text_of, user_traceback
from sabotnb.errors import (
    JobFailed,
    ModuleMissing,
    OutOfMemory,
    ProtocolError,
    SabotnbError,
    SinkError,
    SourceError,
    StaleMessage,
    UserFunctionError,
)
from sabotnb.expr import Expr, functions, sample_of
from sabotnb.graph import Operator as Node
from sabotnb.graph import specs
from sabotnb.protocol import Failure
from sabotnb.task.steps import StepFailed

PICKLED_BYTES = 1 << 20
MORE_MEMORY = (
    "the worker process has no memory left; filter rows, drop columns or group by fewer keys before, or use larger "
    "machines: sb.connect('tcp://host:8786')"
)
CORRECT = "correct it; .head() tries it on a few rows in this process"


def failure_of(error: BaseException, agent: str, operator: str = "") -> Failure:
    """Describe ``error``, raised in a task on ``agent`` that begins with ``operator``; never raises."""
    try:
        if isinstance(error, StaleMessage):  # a channel that another task has closed: the user sees which task sent
            return Failure(type(error).__name__, f"{operator}: {error}" if operator else str(error), operator)
        return _describe(error, agent)
    except BaseException as defect:  # noqa: BLE001 - a task that cannot report its end would never end
        return Failure(ProtocolError.__name__, f"a task on {agent} raised a {type(error).__name__}; {_line(defect)}")


def _describe(error: BaseException, agent: str) -> Failure:
    if isinstance(error, SabotnbError):
        return _describe_library_error(error)
    if not isinstance(error, StepFailed):
        message = f"a task on {agent} failed outside its operators: {_line(error)}"
        return Failure(ProtocolError.__name__, message, traceback=_full_traceback(error))
    raised = error.__cause__ or error
    cause = raised.__cause__ if isinstance(raised, UserFunctionError) and raised.__cause__ else raised
    used = _functions(error.node, error.step)
    if isinstance(cause, ModuleNotFoundError) and used:
        kind, message = ModuleMissing.__name__, _module_missing(cause, used, agent)
    elif isinstance(raised, SabotnbError):
        kind, message = type(raised).__name__, f"{error.node.written_id}: {raised}"
    else:
        kind = _error_class(error.node, used, cause)
        message = f"{error.node.written_id}: {_raised_by(cause, used)} in {error.step}"
    self_explanatory = isinstance(raised, SinkError | SourceError) or kind == ModuleMissing.__name__
    return Failure(
        error=kind,
        message=message,
        operator=error.node.written_id,
        traceback="" if self_explanatory else _traceback(raised),
        sample="" if self_explanatory else _sample(raised, error.batch),
        advice=_advice(error.node, kind, raised),
        pickled=_pickled(cause),
        everything=_full_traceback(error),
    )


def _describe_library_error(error: SabotnbError) -> Failure:
    """Describe an error that was raised outside all steps, such as by a partitioning function of the user."""
    if not isinstance(error, UserFunctionError):
        return Failure(type(error).__name__, str(error))
    return Failure(
        error=UserFunctionError.__name__,
        message=f"{error.operator}: {error}" if error.operator else str(error),
        operator=error.operator,
        traceback=error.user_traceback,
        sample=error.sample,
        advice=CORRECT if error.user_traceback else "",
        pickled=_pickled(error.__cause__),
        everything=_full_traceback(error),
    )


def error_of(failure: Failure) -> SabotnbError:
    """Return the exception to raise in the client: of the class that ``failure`` names, caused by the user's exception.

    Unpickles data that a task of the user's own job has sent; never call it in a scheduler or an agent.
    """
    sample = f"rows it was given:\n{failure.sample}" if failure.sample else ""
    cause = _cause(failure)
    message = _with_path(failure.message, cause) if isinstance(cause, ModuleNotFoundError) else failure.message
    text = "\n".join(part for part in (message, failure.traceback.rstrip(), sample, failure.advice) if part)
    kind: type[SabotnbError] = getattr(errors, failure.error, JobFailed)
    error = kind(text)
    if isinstance(error, UserFunctionError):
        error.operator, error.user_traceback, error.sample = failure.operator, failure.traceback, failure.sample
    error.__cause__ = cause
    return error


def _cause(failure: Failure) -> BaseException | None:
    if not failure.pickled:
        return None
    import cloudpickle

    try:
        cause = cloudpickle.loads(failure.pickled)
    except BaseException:  # noqa: BLE001 - the class may be importable on the agent only; the text has the message
        return None
    return cause if isinstance(cause, BaseException) else None


def _error_class(node: Node, used: Sequence[Function], cause: BaseException) -> str:
    if isinstance(cause, MemoryError):
        return OutOfMemory.__name__
    if used:
        return UserFunctionError.__name__
    if isinstance(node.spec, specs.Source):
        return SourceError.__name__
    return (SinkError if isinstance(node.spec, specs.Sink) else JobFailed).__name__


def _raised_by(cause: BaseException, used: Sequence[Function]) -> str:
    if not used:
        return _line(cause)
    names = " or ".join(dict.fromkeys(f"{function.name} ({function.origin})" for function in used))
    return f"{names} raised {_line(cause)}"


def _module_missing(cause: ModuleNotFoundError, used: Sequence[Function], agent: str) -> str:
    module = (cause.name or str(cause)).partition(".")[0]
    return f"{agent} has no module {module} ({used[0].origin}): env.upload('{module}.py')"


def _with_path(message: str, missing: ModuleNotFoundError) -> str:
    """Replace the module's file name by its path in the client, so that the advice can be run."""
    module = (missing.name or "").partition(".")[0]
    spec = importlib.util.find_spec(module) if module and module not in sys.builtin_module_names else None
    if spec is None or spec.origin is None:
        return message
    advice = f"env.upload({spec.origin!r})"
    if spec.submodule_search_locations is not None or "site-packages" in spec.origin:
        advice = "install it on every worker"
    return message.replace(f"env.upload('{module}.py')", advice)


def _is_from_user_code(raised: BaseException) -> bool:
    """True if the user's function raised it; an error of sabotnb about its result has its own advice."""
    return not isinstance(raised, SabotnbError) or bool(getattr(raised, "user_traceback", ""))


def _advice(node: Node, kind: str, raised: BaseException) -> str:
    if kind == OutOfMemory.__name__:
        return MORE_MEMORY
    if kind != UserFunctionError.__name__ or not _is_from_user_code(raised):
        return ""
    if isinstance(node.spec, specs.MapBatches | specs.MapRows | specs.MapAsync):
        return "correct it, or set such rows aside: on_error='side', and read them from .side('errors')"
    return CORRECT


def _sample(raised: BaseException, batch: pa.RecordBatch | None) -> str:
    return getattr(raised, "sample", "") or ("" if batch is None else sample_of(batch))


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {text_of(error)}".removesuffix(": ")


def _functions(node: Node, step: str) -> tuple[Function, ...]:
    """Return the user's functions that may have raised an exception in ``step``.

    Functions in expressions are loaded when the operator opens. When they are called later, their exceptions arrive as
    a UserFunctionError that names the function, so any other exception comes from elsewhere.
    """
    spec = node.spec
    if isinstance(spec, specs.Aggregate):
        return tuple(column.function for column in spec.columns if column.function is not None)
    own = getattr(spec, "function", None)
    if own is not None:
        return (own,)
    return tuple(function for expr in _expressions(spec) for function in functions(expr)) if step == "open" else ()


def _expressions(spec: specs.Spec) -> Iterator[Expr]:
    if isinstance(spec, specs.Filter):
        yield spec.predicate
    elif isinstance(spec, specs.Project):
        yield from (expr for _, expr in spec.columns)
    elif isinstance(spec, specs.Source) and spec.predicate is not None:
        yield spec.predicate


def _traceback(raised: BaseException) -> str:
    """Return the user's frames; empty for an error of sabotnb whose message explains it."""
    if isinstance(raised, SabotnbError):
        return str(getattr(raised, "user_traceback", ""))
    return user_traceback(raised)


def _full_traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-text_limits.REPORTED_TRACEBACK :]


def _pickled(cause: BaseException | None) -> bytes:
    """Pickle the exception for the client's ``__cause__``; empty for our own, and for one that cannot be pickled."""
    if cause is None or isinstance(cause, SabotnbError):
        return b""
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(cause)
        cloudpickle.loads(pickled)
    except BaseException:  # noqa: BLE001 - __reduce__ and __init__ of the user's exception class may raise anything
        return b""
    return pickled if len(pickled) <= PICKLED_BYTES else b""
