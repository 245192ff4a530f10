"""From an exception in a task to plain data that says whose fault it is and where, and back in the client."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterator, Sequence

import pyarrow as pa

from sabotnb import errors
from sabotnb.blobs import Function, text_of, user_traceback
from sabotnb.errors import (
    JobFailed,
    ModuleMissing,
    OutOfMemory,
    ProtocolError,
    SabotnbError,
    SinkError,
    SourceError,
    UserFunctionError,
)
from sabotnb.expr import Expr, functions, sample_of
from sabotnb.graph import Operator as Node
from sabotnb.graph import specs
from sabotnb.protocol import Failure
from sabotnb.task.steps import StepFailed

PICKLED_BYTES = 1 << 20
EVERYTHING_LETTERS = 50_000
"""Of a longer traceback the end is kept."""
MORE_MEMORY = (
    "the worker process has no memory left; filter rows, drop columns or group by fewer keys before, or use larger "
    "machines: sb.connect('tcp://host:8786')"
)
CORRECT = "correct it; .head() tries it on a few rows in this process"


def failure_of(error: BaseException, agent: str) -> Failure:
    """Describe ``error``, raised in a task on ``agent``; never raises."""
    try:
        return _described(error, agent)
    except BaseException as defect:  # noqa: BLE001 - a task that cannot say how it ended would never end
        return Failure(ProtocolError.__name__, f"a task on {agent} raised a {type(error).__name__}; {_line(defect)}")


def _described(error: BaseException, agent: str) -> Failure:
    if isinstance(error, SabotnbError):
        return _of_ours(error)
    if not isinstance(error, StepFailed):
        return Failure(ProtocolError.__name__, f"a task on {agent} broke: {_line(error)}", traceback=_everything(error))
    raised = error.__cause__ or error
    cause = raised.__cause__ if isinstance(raised, UserFunctionError) and raised.__cause__ else raised
    used = _functions(error.node, error.step)
    if isinstance(cause, ModuleNotFoundError) and used:
        kind, message = ModuleMissing.__name__, _module_missing(cause, used, agent)
    elif isinstance(raised, SabotnbError):
        kind, message = type(raised).__name__, f"{error.node.id}: {raised}"
    else:
        kind, message = _kind(error.node, used, cause), f"{error.node.id}: {_what(cause, used)} in {error.step}"
    speaks_for_itself = isinstance(raised, SinkError | SourceError) or kind == ModuleMissing.__name__
    return Failure(
        error=kind,
        message=message,
        operator=error.node.id,
        traceback="" if speaks_for_itself else _traceback(raised),
        sample="" if speaks_for_itself else _sample(raised, error.batch),
        advice=_advice(error.node, kind, raised),
        pickled=_pickled(cause),
        everything=_everything(error),
    )


def _of_ours(error: SabotnbError) -> Failure:
    """What was raised outside of every step, such as by a function that says where rows go."""
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
        everything=_everything(error),
    )


def error_of(failure: Failure) -> SabotnbError:
    """The exception to raise in the client: of the class that ``failure`` names, from the user's own one.

    Unpickles what a task of the user's own job has sent; never call it in a scheduler or an agent.
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
    except BaseException:  # noqa: BLE001 - the class may be importable on the agent only; the text says all the same
        return None
    return cause if isinstance(cause, BaseException) else None


def _kind(node: Node, used: Sequence[Function], cause: BaseException) -> str:
    if isinstance(cause, MemoryError):
        return OutOfMemory.__name__
    if used:
        return UserFunctionError.__name__
    if isinstance(node.spec, specs.Source):
        return SourceError.__name__
    return (SinkError if isinstance(node.spec, specs.Sink) else JobFailed).__name__


def _what(cause: BaseException, used: Sequence[Function]) -> str:
    if not used:
        return _line(cause)
    names = " or ".join(dict.fromkeys(f"{function.name} ({function.origin})" for function in used))
    return f"{names} raised {_line(cause)}"


def _module_missing(cause: ModuleNotFoundError, used: Sequence[Function], agent: str) -> str:
    module = (cause.name or str(cause)).partition(".")[0]
    return f"{agent} has no module {module} ({used[0].origin}): env.upload('{module}.py')"


def _with_path(message: str, missing: ModuleNotFoundError) -> str:
    """Name the module's file as the client finds it, so that the advice can be run as it stands."""
    module = (missing.name or "").partition(".")[0]
    found = importlib.util.find_spec(module) if module and module not in sys.builtin_module_names else None
    if found is None or found.origin is None:
        return message
    advice = f"env.upload({found.origin!r})"
    if found.submodule_search_locations is not None or "site-packages" in found.origin:
        advice = "install it on every worker"
    return message.replace(f"env.upload('{module}.py')", advice)


def _is_users(raised: BaseException) -> bool:
    """True for what a function raised; an error of ours about its result says itself what to do."""
    return not isinstance(raised, SabotnbError) or bool(getattr(raised, "user_traceback", ""))


def _advice(node: Node, kind: str, raised: BaseException) -> str:
    if kind == OutOfMemory.__name__:
        return MORE_MEMORY
    if kind != UserFunctionError.__name__ or not _is_users(raised):
        return ""
    if isinstance(node.spec, specs.MapBatches | specs.MapRows):
        return "correct it, or set such rows aside: on_error='side', and read them from .side('errors')"
    return CORRECT


def _sample(raised: BaseException, batch: pa.RecordBatch | None) -> str:
    return getattr(raised, "sample", "") or ("" if batch is None else sample_of(batch))


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {text_of(error)}".removesuffix(": ")


def _functions(node: Node, step: str) -> tuple[Function, ...]:
    """The user's functions that may have raised.

    Those within expressions are loaded when the operator opens; when one is called, what it raises comes as a
    UserFunctionError that names it, and anything else is not its fault.
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
    """The user's frames; nothing for an error of ours that says by itself what is wrong."""
    if isinstance(raised, SabotnbError):
        return str(getattr(raised, "user_traceback", ""))
    return user_traceback(raised)


def _everything(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-EVERYTHING_LETTERS:]


def _pickled(cause: BaseException | None) -> bytes:
    """The exception for the client's ``__cause__``; empty if it is ours or cannot travel (the message has its text)."""
    if cause is None or isinstance(cause, SabotnbError):
        return b""
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(cause)
        cloudpickle.loads(pickled)
    except BaseException:  # noqa: BLE001 - __reduce__ and __init__ of the user's exception class may raise anything
        return b""
    return pickled if len(pickled) <= PICKLED_BYTES else b""
