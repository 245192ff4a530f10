"""The errors of checkpoint files: which file, what is wrong with it, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from sabotnb.errors import CheckpointError, StorageUnreachable

ANOTHER_STORAGE = "or choose another folder, such as sb.checkpoint('60s', storage='/other/folder')"
REPAIR_STORAGE = "Repair the storage or grant read permission, then try again; the file may be whole"
ANOTHER_CHECKPOINT = "Start from another checkpoint, or from nothing: .run(..., fresh=True)"


def damaged(path: str, what: str) -> CheckpointError:
    """The error for a file whose content is not what was written."""
    return CheckpointError(f"the checkpoint file '{path}' is damaged: {what}. {ANOTHER_CHECKPOINT}")


def later_version(path: str, version: object, known: int) -> CheckpointError:
    """The error for a file that a newer sabotnb wrote."""
    return CheckpointError(
        f"the checkpoint file '{path}' has format version {version}, and this sabotnb reads up to {known}. "
        "Install a newer one: pip install --upgrade sabotnb"
    )


def truncated(path: str) -> CheckpointError:
    """The error for a file that ends too early."""
    return CheckpointError(f"the checkpoint file '{path}' is truncated. {ANOTHER_CHECKPOINT}")


@contextmanager
def writing(path: str, *, anything: bool = False) -> Iterator[None]:
    """Turn an OSError, or ``anything`` that is raised in the block, into a CheckpointError that names ``path``."""
    try:
        yield
    except CheckpointError:
        raise
    except PermissionError as error:
        raise CheckpointError(
            f"the checkpoint file '{path}' cannot be written: {_reason(error)}. Grant write permission, "
            f"{ANOTHER_STORAGE}"
        ) from error
    except Exception as error:
        if not (anything or isinstance(error, OSError)):
            raise
        raise CheckpointError(
            f"the checkpoint file '{path}' cannot be written: {_reason(error)}. Make room or repair the storage, "
            f"{ANOTHER_STORAGE}"
        ) from error


@contextmanager
def reading(path: str, beside: Callable[[str], Collection[str]], *, anything: bool = False) -> Iterator[None]:
    """Turn an OSError, or ``anything`` that is raised in the block, into an error that names ``path``.

    ``beside`` lists a folder. A file that is missing is the loss of one checkpoint if there are others of its run, else
    perhaps the whole storage is away.

    Raises:
        CheckpointError: the file is missing.
        StorageUnreachable: anything else.
    """
    try:
        yield
    except CheckpointError:
        raise
    except FileNotFoundError as error:
        if beside(path.rsplit("/", 2)[0]):
            raise CheckpointError(f"the checkpoint file '{path}' is missing. {ANOTHER_CHECKPOINT}") from error
        raise StorageUnreachable(
            f"the checkpoint file '{path}' is missing, with all others of its run. Mount the storage again, or "
            f"{ANOTHER_CHECKPOINT[0].lower()}{ANOTHER_CHECKPOINT[1:]}"
        ) from error
    except Exception as error:
        if not (anything or isinstance(error, OSError)):
            raise
        raise StorageUnreachable(
            f"the checkpoint file '{path}' cannot be read: {_reason(error)}. {REPAIR_STORAGE}"
        ) from error


def _reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return (reason or str(error) or type(error).__name__).rstrip(".").lower()
