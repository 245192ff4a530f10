"""Every exception that sabotnb raises.

SabotnbError
├── SchemaError                 what a stream's columns are and what was asked of them
│   ├── ColumnNotFound          a name that the stream does not have
│   ├── DuplicateColumn         two columns of one name
│   └── TypeMismatch            an operation that the column's type does not have
├── InvalidUse                  a method or operator with arguments, or on an object, that does not take them
├── ExpressionError             rows on which an expression has no value: overflow, division by zero, a failed cast
├── GraphError                  a job graph that cannot run (cycle, open port, parallelism)
├── SourceError                 input that is missing, truncated, or of another shape
├── SinkError                   output that must not or cannot be written
├── FunctionError               functions of the user
│   ├── UnpicklableFunction     cannot travel to the workers
│   ├── ModuleMissing           needs a module that an agent does not have
│   └── UserFunctionError       raised, or returned something else than it declared
├── EnvError                    the session or its cluster
│   ├── ClusterLost             the scheduler does not answer any more
│   │   └── ClusterTimeout       it has not answered one question, and may answer the next
│   ├── AgentLost               a worker process, or the connection between two of them, is gone
│   ├── OutOfMemory             an operator needed more memory than its worker process has
│   └── InsufficientSlots              fewer free slots than the job needs
├── JobError                    one job
│   ├── JobNameTaken                another session that is connected runs a job of this name
│   ├── JobFailed               ended in FAILED; the user's own exception is chained where there is one
│   └── JobCanceled             ended in CANCELED
│       └── JobReplaced         because a newer run of its name took its place
└── ProtocolError               a defect of sabotnb or a stale message, never of the user
    ├── IllegalTransition       a state change that the table of legal moves does not have
    └── StaleMessage            from an attempt or epoch that is over

A message names the thing, says what was found, and ends with what to do.
"""

from __future__ import annotations


class SabotnbError(Exception):
    """Root of the tree: catch this to catch everything that sabotnb raises on purpose."""


class SchemaError(SabotnbError):
    """What a stream's columns are does not fit what was asked of them."""


class ColumnNotFound(SchemaError, KeyError):
    """A name that the stream does not have; the message has the nearest name."""

    __str__ = Exception.__str__  # KeyError would print the message's repr


class DuplicateColumn(SchemaError):
    """Two columns of one name in one schema."""


class TypeMismatch(SchemaError, TypeError):
    """An operation that the column's type does not have."""


class InvalidUse(SabotnbError, TypeError):
    """A method or operator used as it cannot be: unknown or missing arguments, the length of a stream, an index."""


class ExpressionError(SabotnbError, ValueError):
    """Rows on which an expression has no value: integer overflow, integer division by zero, a cast that fails."""


class GraphError(SabotnbError):
    """A job graph that cannot run."""


class SourceError(SabotnbError):
    """Input that is missing, truncated, or of another shape than its schema."""


class SinkError(SabotnbError):
    """Output that must not or cannot be written."""


class FunctionError(SabotnbError):
    """Something is wrong with a function of the user."""


class UnpicklableFunction(FunctionError):
    """A function that cannot travel to the workers."""


class ModuleMissing(FunctionError):
    """A function needs a module that an agent cannot import."""


class UserFunctionError(FunctionError):
    """A function of the user raised, or returned something else than it declared.

    Beside the message it has the ``operator`` and ``function`` by name, the function's ``origin`` (cell or file, line),
    ``user_traceback`` without frames of sabotnb, and ``sample``, a few of the rows as a text table.
    """

    def __init__(
        self,
        message: str,
        *,
        operator: str = "",
        function: str = "",
        origin: str = "",
        user_traceback: str = "",
        sample: str = "",
    ) -> None:
        super().__init__(message)
        self.operator = operator
        self.function = function
        self.origin = origin
        self.user_traceback = user_traceback
        self.sample = sample


class EnvError(SabotnbError):
    """The session or its cluster cannot do what was asked."""


class ClusterLost(EnvError):
    """The scheduler does not answer any more."""


class ClusterTimeout(ClusterLost):
    """The scheduler has not answered one question in time; the connection is there, and it may answer the next."""


class AgentLost(EnvError):
    """A worker process died or hung, or two of them cannot reach each other any more."""


class OutOfMemory(EnvError, MemoryError):
    """An operator needed more memory than its worker process has."""


class InsufficientSlots(EnvError):
    """Fewer free slots than the job needs."""


class JobError(SabotnbError):
    """Something about one job."""


class JobNameTaken(JobError):
    """Another session runs a job of this name."""


class JobFailed(JobError):
    """A job ended in FAILED; the user's own exception is its ``__cause__`` where there is one.

    ``reason`` says of which kind the failure is: a UserFunctionError, SourceError, SinkError, AgentLost,
    OutOfMemory, ...
    """

    reason: SabotnbError | None = None


class JobCanceled(JobError):
    """A job ended in CANCELED."""


class JobReplaced(JobCanceled):
    """A newer run of the job's name took its place."""


class ProtocolError(SabotnbError):
    """A defect of sabotnb or a message that comes too late; never the user's doing."""


class IllegalTransition(ProtocolError):
    """A state change that the table of legal moves does not have."""


class StaleMessage(ProtocolError):
    """A message of an attempt or epoch that is over."""


def __dir__() -> list[str]:
    return [name for name, value in globals().items() if isinstance(value, type)]
