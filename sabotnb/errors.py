"""The exceptions that sabotnb raises.

SabotnbError
├── SchemaError                 the columns of a stream do not fit an operation
│   ├── ColumnNotFound          a name that is not a column of the stream
│   ├── DuplicateColumn         two columns have one name
│   └── TypeMismatch            an operation that the type of a column does not support
├── InvalidUse                  a method or operator that does not accept these arguments or this object
├── ExpressionError             an expression fails for some rows: overflow, division by zero, a cast
├── GraphError                  a job graph cannot run (cycle, open port, parallelism)
├── SourceError                 input is missing, truncated, or does not fit its schema
├── SinkError                   output must not or cannot be written
├── CheckpointError             a checkpoint cannot be written, or its files are missing, damaged or do not fit
│   └── StorageUnreachable      its storage cannot be read now; the files may be as they were written
├── FunctionError               a function of the user
│   ├── UnpicklableFunction     cannot be pickled for the workers
│   ├── ModuleMissing           needs a module that an agent does not have
│   └── UserFunctionError       raised, or its result does not fit its declaration
├── InconsistentResults         the rows of a stream depend on batches, splits or parallelism
├── EnvError                    the session or its cluster
│   ├── ClusterLost             the connection with the scheduler is lost
│   │   └── ClusterTimeout      it did not answer in time, and may answer the next request
│   ├── AgentLost               a worker process, or a connection between two, is lost
│   ├── OutOfMemory             an operator needed more memory than its worker process has
│   ├── InsufficientSlots       fewer free slots than the job needs
│   └── StoreError              the job store cannot be opened, read or written
│       └── StoreUnavailable    it does not answer, or cannot be written, and may be later
├── JobError                    one job
│   ├── JobNameTaken            another session or process runs a job of this name
│   ├── JobTakenOver            another process has resumed the job, and runs it now
│   ├── JobFailed               ended in FAILED; the user's own exception is chained where there is one
│   └── JobCanceled             ended in CANCELED
│       └── JobReplaced         a newer run of its name replaced it
└── ProtocolError               a defect of sabotnb or a stale message, never an error of the user
    ├── IllegalTransition       a state change that is not in the table of legal moves
    └── StaleMessage            from an attempt or epoch that has ended

A message names the thing, says what was found, and ends with what to do.
"""

from __future__ import annotations


class SabotnbError(Exception):
    """Root of the tree; catch it to catch every exception that sabotnb raises on purpose."""


class SchemaError(SabotnbError):
    """The columns of a stream do not fit an operation."""


class ColumnNotFound(SchemaError, KeyError):
    """A name that is not a column of the stream; the message has the nearest name."""

    __str__ = Exception.__str__  # KeyError would print the message's repr


class DuplicateColumn(SchemaError):
    """Two columns of a schema have the same name."""


class TypeMismatch(SchemaError, TypeError):
    """An operation that the type of a column does not support."""


class InvalidUse(SabotnbError, TypeError):
    """Invalid use of a method or operator: unknown or missing arguments, the length of a stream, an index."""


class ExpressionError(SabotnbError, ValueError):
    """An expression fails for some rows: integer overflow, integer division by zero, a cast."""


class GraphError(SabotnbError):
    """A job graph cannot run."""


class SourceError(SabotnbError):
    """Input is missing, truncated, or does not fit its schema."""


class SinkError(SabotnbError):
    """Output must not or cannot be written."""


class CheckpointError(SabotnbError):
    """A checkpoint cannot be taken, written, read, or does not fit the job that is to go on from it."""


class StorageUnreachable(CheckpointError):
    """The storage of a checkpoint cannot be read now, and nothing is known of the checkpoint's files."""


class InconsistentResults(SabotnbError):
    """The rows of a stream depend on batches, splits or parallelism; the message names rows and operator."""


class FunctionError(SabotnbError):
    """A function of the user cannot be used."""


class UnpicklableFunction(FunctionError):
    """A function cannot be pickled for the workers."""


class ModuleMissing(FunctionError):
    """A function needs a module that an agent cannot import."""


class UserFunctionError(FunctionError):
    """A function of the user raised, or its result does not fit its declaration.

    Attributes: the ``operator`` and ``function`` by name, the function's ``origin`` (cell or file, line),
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
    """The session or its cluster cannot carry out a request."""


class ClusterLost(EnvError):
    """The connection with the scheduler is lost."""


class ClusterTimeout(ClusterLost):
    """The scheduler did not answer in time; the connection still exists, and the next request may succeed."""


class AgentLost(EnvError):
    """A worker process died or hung, or two of them lost their connection."""


class OutOfMemory(EnvError, MemoryError):
    """An operator needed more memory than its worker process has."""


class InsufficientSlots(EnvError):
    """Fewer free slots than the job needs."""


class StoreError(EnvError):
    """The job store cannot be opened, read or written."""


class StoreUnavailable(StoreError):
    """The job store does not answer, is locked or has no room. The same call may succeed later."""


class JobError(SabotnbError):
    """An error about a job."""


class JobNameTaken(JobError):
    """Another session or process runs a job of this name."""


class JobTakenOver(JobError):
    """Another process has resumed the job: what this one does with it has no effect any more."""


class JobFailed(JobError):
    """A job ended in FAILED; the user's own exception is its ``__cause__`` where there is one.

    ``reason`` is the kind of failure: a UserFunctionError, SourceError, SinkError, AgentLost,
    OutOfMemory, ...
    """

    reason: SabotnbError | None = None


class JobCanceled(JobError):
    """A job ended in CANCELED."""


class JobReplaced(JobCanceled):
    """A newer run of the same name replaced the job."""


class ProtocolError(SabotnbError):
    """A defect of sabotnb or a stale message; never an error of the user."""


class IllegalTransition(ProtocolError):
    """A state change that is not in the table of legal moves."""


class StaleMessage(ProtocolError):
    """A message from an attempt or epoch that has ended."""


def __dir__() -> list[str]:
    return [name for name, value in globals().items() if isinstance(value, type)]
