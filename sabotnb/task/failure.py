"""From an exception in a task to plain data that says whose fault it is and where, and back in the client."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence

from sabotnb import errors
from sabotnb.blobs import Function, user_traceback
from sabotnb.errors import (
    JobFailed,
    ModuleMissing,
    ProtocolError,
    SabotError,
    SinkError,
    SourceError,
    UserFunctionError,
)
from sabotnb.expr import Expr, functions, sample_of
from sabotnb.graph import specs
from sabotnb.graph.job_graph import Operator as Node
from sabotnb.protocol.failure import Failure
from sabotnb.task.steps import StepFailed

PICKLED_BYTES = 1 << 20


def failure_of(error: BaseException, agent: str) -> Failure:
    """Describe ``error``, raised in a task on ``agent``; never raises."""
    if isinstance(error, SabotError):
        return Failure(type(error).__name__, str(error))
    if not isinstance(error, StepFailed):
        return Failure(ProtocolError.__name__, f"a task on {agent} broke: {_line(error)}", traceback=_everything(error))
    raised = error.__cause__ or error
    cause = raised.__cause__ if isinstance(raised, UserFunctionError) and raised.__cause__ else raised
    used = _functions(error.node, error.step)
    if isinstance(cause, ModuleNotFoundError) and used:
        kind, message = ModuleMissing.__name__, _module_missing(cause, used, agent)
    elif isinstance(raised, SabotError):
        kind, message = type(raised).__name__, f"{error.node.id}: {raised}"
    else:
        kind, message = _kind(error.node, used), f"{error.node.id}: {_what(cause, used)} in {error.step}"
    return Failure(
        error=kind,
        message=message,
        operator=error.node.id,
        traceback=_traceback(raised),
        sample=getattr(raised, "sample", "") or ("" if error.batch is None else sample_of(error.batch)),
        pickled=b"" if isinstance(cause, SabotError) else _pickled(cause),
    )


def error_of(failure: Failure) -> SabotError:
    """The exception to raise in the client: of the class that ``failure`` names, from the user's own one.

    Unpickles what a task of the user's own job has sent; never call it in a scheduler or an agent.
    """
    sample = f"rows it was given:\n{failure.sample}" if failure.sample else ""
    text = "\n".join(part for part in (failure.message, failure.traceback.rstrip(), sample) if part)
    kind: type[SabotError] = getattr(errors, failure.error, JobFailed)
    error = kind(text)
    if isinstance(error, UserFunctionError):
        error.operator, error.user_traceback, error.sample = failure.operator, failure.traceback, failure.sample
    error.__cause__ = _cause(failure)
    return error


def _cause(failure: Failure) -> BaseException | None:
    if not failure.pickled:
        return None
    import cloudpickle

    try:
        cause = cloudpickle.loads(failure.pickled)
    except Exception:  # noqa: BLE001 - the class may be importable on the agent only; the text says all the same
        return None
    return cause if isinstance(cause, BaseException) else None


def _kind(node: Node, used: Sequence[Function]) -> str:
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


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


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
    if isinstance(raised, SabotError):
        return str(getattr(raised, "user_traceback", ""))
    return user_traceback(raised)


def _everything(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _pickled(cause: BaseException) -> bytes:
    """The exception for the client's ``__cause__``; empty if it cannot travel (its text is in the message anyway)."""
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(cause)
        cloudpickle.loads(pickled)
    except Exception:  # noqa: BLE001 - __reduce__ and __init__ of the user's exception class may raise anything
        return b""
    return pickled if len(pickled) <= PICKLED_BYTES else b""
