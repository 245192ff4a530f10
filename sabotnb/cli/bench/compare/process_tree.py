"""CPU time and peak memory of a process and everything it started."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil


def cpu_seconds(pid: int) -> float:
    """User and system time of the process, of its descendants, and of those that have ended and were waited for."""
    total = 0.0
    for process in _tree(pid):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        ended = times.children_user + times.children_system
        total += ended + _exact_seconds(process.pid, times.user + times.system)
    return total


def _exact_seconds(pid: int, ticks: float) -> float:
    """CPU time from the process's own clock: ``ticks`` are of 10 ms, and some queries take no more than that."""
    if sys.platform != "linux":
        return ticks
    try:
        return time.clock_gettime(~pid << 3 | 2)  # the clock that clock_getcpuclockid(3) names
    except OSError:
        return ticks


def reset_peaks(pid: int) -> None:
    """Let each process of the tree count its peak from now on (Linux; elsewhere there are no peaks)."""
    for process in _tree(pid):
        try:
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # see proc(5)
        except OSError:
            continue


def peak_mb(pid: int) -> float | None:
    """The peaks of resident memory since ``reset_peaks``, added up over the tree; None where the system has none."""
    peaks = []
    for process in _tree(pid):
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            continue
        peaks += [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")]
    return sum(peaks) if peaks else None


def kill(pid: int) -> None:
    """End a process and its descendants at once."""
    for process in _tree(pid):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def _tree(pid: int) -> Iterator[psutil.Process]:
    try:
        root = psutil.Process(pid)
        yield from [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
