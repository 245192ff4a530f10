"""How a case is measured: our code and its peers in turn in one process, so the ratio survives a noisy machine."""

from __future__ import annotations

import gc
import json as json_format
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Work = Callable[[], object]
"""Runs the case once. It may return a float: the seconds to count instead of its own wall-clock time."""

Make = Callable[[], Work]
"""Prepares a case (not timed)."""

COMPARED = ("sabotnb", "pyarrow", "numpy", "polars", "duckdb", "distributed", "cython")


@dataclass(frozen=True)
class Case:
    """``rows`` are handled by one run (0: only the time matters); ``peers`` do the same work another way."""

    name: str
    make: Make
    rows: int = 0
    peers: Mapping[str, Make] = field(default_factory=dict)
    figures: Callable[[], Mapping[str, float]] = dict
    """Further figures of the last run, reported beside its time."""


@dataclass(frozen=True)
class Result:
    """What is reported of a case; ``ratios`` are peer time / our time: above 1 we are faster."""

    name: str
    median_s: float
    p95_s: float
    rows_per_s: float | None
    ratios: dict[str, float]
    peak_rss_mb: float
    figures: dict[str, float]
    runs: int
    versions: dict[str, str]


def run(cases: Iterable[Case], *, json: Path | None, repeat: int, only: str) -> list[Result]:
    """Measure and print each case; with ``json`` append one JSON object per line to that (new) file."""
    results = []
    if json is not None:
        json.write_text("")
    for case in cases:
        if only not in case.name:
            continue
        result = measure(case, repeat)
        results.append(result)
        print(line(result), flush=True)
        if json is not None:
            with json.open("a") as file:
                file.write(json_format.dumps(asdict(result)) + "\n")
    return results


def measure(case: Case, repeat: int) -> Result:
    """Run the case and its peers in turn ``repeat`` times after one warm-up each."""
    works = {"": case.make()} | {name: make() for name, make in case.peers.items()}
    times: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(repeat):
        for name, work in works.items():
            times[name].append(_time(work))
    medians = {name: statistics.median(measured) for name, measured in times.items()}
    ours = medians.pop("")
    return Result(
        name=case.name,
        median_s=ours,
        p95_s=sorted(times[""])[min(repeat - 1, round(0.95 * (repeat - 1)))],
        rows_per_s=case.rows / ours if case.rows else None,
        ratios={name: median / ours for name, median in medians.items()},
        peak_rss_mb=_peak_rss_mb(),
        figures=dict(case.figures()),
        runs=repeat,
        versions=_versions(),
    )


def _time(work: Work) -> float:
    gc.collect()
    start = time.perf_counter()
    own = work()
    elapsed = time.perf_counter() - start
    return own if isinstance(own, float) else elapsed


def _peak_rss_mb() -> float:
    """Of this process, or of the largest of the processes it started and waited for."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return max(own, children) / 1024


def _versions() -> dict[str, str]:
    found: dict[str, Any] = {"python": platform.python_version()}
    for package in COMPARED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def line(result: Result) -> str:
    """One case on one line for people."""
    speed = f"{result.rows_per_s / 1e6:9.1f} M rows/s" if result.rows_per_s else " " * 18
    ratios = "  ".join(f"{name} x{ratio:.2f}" for name, ratio in result.ratios.items())
    figures = "  ".join(f"{name}={value:,.1f}" for name, value in result.figures.items())
    took = f"{result.median_s * 1e3:10.2f} ms (p95 {result.p95_s * 1e3:.2f})"
    return f"{result.name:<44}{took:<34}{speed}  {result.peak_rss_mb:7.0f} MB  {ratios}  {figures}".rstrip()
