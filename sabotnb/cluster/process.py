"""Settings of an agent's process: threads, memory, descriptors and signals."""

from __future__ import annotations

import ctypes
import multiprocessing
import resource
import signal
import sys
import threading

import pyarrow as pa
from distributed.gc import disable_gc_diagnosis

from sabotnb.task import TaskCanceled

SWITCH_SECONDS = 0.0002
"""Interpreter switch interval: receiving threads wait less for threads that run Python functions."""

MOST_DESCRIPTORS = 65_536
"""More are of no use, and some programs that a function starts close every number up to the limit."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_BYTES = 4 << 20
_TRIM_BYTES = 16 << 20


def have_process_alone() -> None:
    """For a process that runs nothing but tasks, which are the parallelism: kernels use one thread each."""
    sys.setswitchinterval(SWITCH_SECONDS)
    pa.set_cpu_count(1)
    disable_gc_diagnosis(force=True)  # Python written to run in every collection, where an interrupted task would end
    keep_freed_memory()
    allow_children()
    raise_descriptor_limit()
    hide_cancels()


def allow_children() -> None:
    """Let functions of the user start processes: Dask's workers are daemons, which multiprocessing forbids it."""
    process = multiprocessing.current_process()
    if process.daemon:
        process.daemon = False


def raise_descriptor_limit() -> None:
    """Allow this process as many descriptors as the system lets it have, up to MOST_DESCRIPTORS.

    The usual soft limit of 1024 is for programs that call ``select``, which ours do not. The session's own process is
    the user's, and keeps its limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def hide_cancels() -> None:
    """Print nothing when a cancel ends a finalizer, where Python cannot raise it; the task is interrupted again."""
    show = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is not TaskCanceled:
            show(unraisable)

    sys.unraisablehook = hook


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of a column (512 KB) instead of giving it back to the kernel.

    Dask has its workers start with a trim threshold of 64 KB, which also pins the size from which every allocation is
    a mapping of its own to 128 KB: each temporary column is then mapped, zeroed page by page and unmapped, which costs
    more than computing it. Does nothing without glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)


def outlive_interrupts() -> None:
    """Leave SIGINT to the nanny: a notebook interrupts its whole process group, and must not end the worker's jobs."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
