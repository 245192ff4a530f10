"""Run the cases of a suite: engines in turn within each round, answers checked before any time counts.

The first run of each engine warms it up, does not count, and returns the answer that is compared. If it takes longer
than ``LONG_SECONDS`` it counts after all and is not repeated.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sabotnb.cli.bench.compare import equality
from sabotnb.cli.bench.compare.engine_process import EngineFailed, EngineProcess
from sabotnb.cli.bench.compare.engines import ENGINES
from sabotnb.cli.bench.compare.measured import ERROR, NOT_EXPRESSED, NOT_INSTALLED, NOT_RUN, OK, Measured
from sabotnb.cli.bench.compare.suite import QueryCase, QuerySet

LONG_SECONDS = 8.0
REFERENCES = ("duckdb", "polars")
"""Whose answer is taken for right: the first of these that answers."""


@dataclass
class TimeBudget:
    """Divides what is left of the time among the cases that are left, by their weights."""

    deadline: float
    weight: float

    def share(self, case: QueryCase) -> float:
        """Seconds for the next case."""
        left = max(self.deadline - time.monotonic(), 0)
        seconds = left * case.weight / max(self.weight, case.weight)
        self.weight -= case.weight
        return seconds


@dataclass(frozen=True)
class Comparison:
    """Queries over one dataset, and how to measure it."""

    suite: QuerySet
    files: str
    paths: Mapping[str, str]
    engines: Sequence[str]
    threads: int
    repeat: int
    run_seconds: float
    budget: TimeBudget

    def measure(self, cases: Sequence[QueryCase]) -> Iterator[Mapping[str, Measured]]:
        """Measure each case with all engines; engines that are not installed are named too."""
        with ExitStack() as stack:
            processes = {name: stack.enter_context(self._started(name)) for name in self._usable()}
            failed: dict[str, str] = {}
            for name, process in processes.items():
                try:
                    process.wait_ready()
                except EngineFailed as error:
                    failed[name] = str(error)
            for case in cases:
                yield self._case(case, processes, failed)

    def _started(self, engine: str) -> EngineProcess:
        return EngineProcess(engine, self.suite.name, self.paths, self.threads)

    def _usable(self) -> list[str]:
        return [name for name in self.engines if name in self.suite.queries and ENGINES[name].version() is not None]

    def _case(
        self, case: QueryCase, processes: Mapping[str, EngineProcess], failed: Mapping[str, str]
    ) -> Mapping[str, Measured]:
        measured = {name: self._prepared(case, name, processes, failed) for name in self.engines}
        end = time.monotonic() + self.budget.share(case)
        able = [name for name, result in measured.items() if result.status == OK]
        if time.monotonic() >= self.budget.deadline:
            for name in able:
                measured[name].status, measured[name].detail = NOT_RUN, "time limit"
            return measured
        self._check(case, {name: (processes[name], measured[name]) for name in able})
        for _ in range(self.repeat):
            for name in able:
                if measured[name].status == OK and measured[name].warm_up_excluded:
                    self._run(processes[name], measured[name])
            if time.monotonic() >= end:
                break
        return measured

    def _prepared(
        self, case: QueryCase, engine: str, processes: Mapping[str, EngineProcess], failed: Mapping[str, str]
    ) -> Measured:
        result = Measured(self.suite.name, self.files, case, engine)
        if ENGINES[engine].version() is None:
            result.status, result.detail = NOT_INSTALLED, f"pip install {ENGINES[engine].distribution}"
        elif engine in failed:
            result.status, result.detail = ERROR, failed[engine]
        elif engine not in processes or case.name not in processes[engine].cases:
            result.status = NOT_EXPRESSED
        return result

    def _check(self, case: QueryCase, engines: Mapping[str, tuple[EngineProcess, Measured]]) -> None:
        """Run every engine once and mark those whose answer differs from the reference's."""
        with tempfile.TemporaryDirectory(prefix="sabotnb-bench-") as folder:
            paths = {name: Path(folder) / name for name in engines}
            for name, (process, measured) in engines.items():
                self._run(process, measured, paths[name])
            answered = [name for name, (_, measured) in engines.items() if measured.status == OK]
            reference = next((name for name in (*REFERENCES, *answered) if name in answered), None)
            if reference is None:
                return
            expected = equality.read_answer(paths[reference])
            for name in answered:
                if name != reference:
                    _mark(engines[name][1], reference, expected, paths[name], case)

    def _run(self, process: EngineProcess, measured: Measured, answer: Path | None = None) -> None:
        try:
            run = process.run(measured.case.name, self.run_seconds, answer)
        except EngineFailed as error:
            measured.status, measured.detail = ERROR, str(error)
            return
        long = answer is not None and run.seconds > LONG_SECONDS
        if answer is None or long:
            measured.runs.append(run)
            measured.warm_up_excluded = not long


def _mark(measured: Measured, reference: str, expected: pa.Table, path: Path, case: QueryCase) -> None:
    difference = equality.difference(expected, equality.read_answer(path), case.checked)
    if difference:
        measured.status, measured.detail = ERROR, f"wrong answer: {difference} (compared with {reference})"
