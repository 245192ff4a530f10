"""The record of what was measured: one per case and engine, which is also one line of JSON."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from sabotnb.cli.bench.compare.engine_process import TimedRun
from sabotnb.cli.bench.compare.engines import ENGINES, OURS
from sabotnb.cli.bench.compare.ordinary_files import TableFacts
from sabotnb.cli.bench.compare.suite import QueryCase

OK, ERROR, NOT_EXPRESSED, NOT_INSTALLED, NOT_RUN = "ok", "error", "not expressed", "not installed", "not run"


@dataclass
class Measured:
    """One case through one engine. ``status`` other than ok has no runs; ``detail`` says why."""

    suite: str
    files: str
    case: QueryCase
    engine: str
    status: str = OK
    detail: str = ""
    runs: list[TimedRun] = field(default_factory=list)
    warm_up_excluded: bool = True

    @property
    def seconds(self) -> float | None:
        """Median wall time."""
        return self._median([run.seconds for run in self.runs])

    @property
    def cpu_seconds(self) -> float | None:
        """Median CPU time of all processes."""
        return self._median([run.cpu_seconds for run in self.runs])

    @property
    def peak_mb(self) -> float | None:
        """Largest peak of a run, over all processes."""
        return max((run.peak_mb for run in self.runs if run.peak_mb is not None), default=None)

    def _median(self, values: Sequence[float]) -> float | None:
        return statistics.median(values) if self.status == OK and values else None


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """Ours / theirs: above 1 we are slower."""
    return ours / theirs if ours is not None and theirs else None


def rate(rows: int, seconds: float | None) -> float | None:
    """Rows per second."""
    return rows / seconds if seconds else None


def append_json(path: Path, measured: Mapping[str, Measured], tables: Mapping[str, TableFacts]) -> None:
    """Append the object of each engine to a file of JSON lines."""
    with path.open("a") as file:
        for result in measured.values():
            file.write(json.dumps(as_json(result, measured[OURS], tables)) + "\n")


def rows_read(case: QueryCase, tables: Mapping[str, TableFacts]) -> int:
    """Rows of the tables that a case reads."""
    return sum(tables[name].rows for name in case.tables)


def as_json(measured: Measured, ours: Measured, tables: Mapping[str, TableFacts]) -> dict[str, Any]:
    """One object per case and engine, complete in itself."""
    rows = rows_read(measured.case, tables)
    return {
        "suite": measured.suite,
        "case": measured.case.name,
        "title": measured.case.title,
        "engine": measured.engine,
        "version": ENGINES[measured.engine].version(),
        "status": measured.status,
        "detail": measured.detail,
        "rows": rows,
        "rows_per_s": rate(rows, measured.seconds),
        "rows_per_core_s": rate(rows, measured.cpu_seconds),
        "seconds": measured.seconds,
        "cpu_seconds": measured.cpu_seconds,
        "peak_mb": measured.peak_mb,
        "sabotnb_seconds_ratio": None if measured.engine == OURS else ratio(ours.seconds, measured.seconds),
        "sabotnb_cpu_ratio": None if measured.engine == OURS else ratio(ours.cpu_seconds, measured.cpu_seconds),
        "runs": [asdict(run) for run in measured.runs],
        "warm_up_excluded": measured.warm_up_excluded,
        "files": {name: asdict(tables[name]) for name in measured.case.tables},
        "machine": machine(),
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpu": _cpu(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
