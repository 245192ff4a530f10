"""``sabotnb bench recovery``: run the cases within a time, and print their measurements beside the targets."""

from __future__ import annotations

import json as json_format
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from sabotnb.cache import cache_root
from sabotnb.cli.bench.compare.measured import machine
from sabotnb.cli.bench.recovery import (
    checkpointed_throughput,
    edited_job,
    frozen_batches,
    lost_worker,
    restored_keys,
    store_writes,
)
from sabotnb.cli.bench.recovery.case_measurements import (
    CaseResult,
    Measurement,
    MedianMeasurement,
    RecoveryCase,
    medians,
)
from sabotnb.errors import SabotnbError

KEYS = (1_000_000, 10_000_000)
NOTE = (
    "Medians of {repeat} runs at most; as many as fit into the time. All processes share this machine. State files and "
    "the job store are in {folder}."
)


@dataclass(frozen=True)
class RecoveryPlan:
    """What to run and how long."""

    keys: Sequence[int] = KEYS
    """Sizes of keyed state."""
    only: str = ""
    minutes: float = 8.0
    repeat: int = 3
    rows_per_second: int = 100_000
    """Of the job that loses a worker."""


def measure(plan: RecoveryPlan, json: Path | None, console: Console) -> list[CaseResult]:
    """Measure the cases of ``plan`` in turn. A case that fails does not end the others."""
    if json is not None:
        json.write_text("")
    results = []
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-recovery-", dir=root) as folder:
        for result in _results([case for case in cases(plan, Path(folder)) if plan.only in case.name], plan):
            results.append(result)
            console.print(_line(result), highlight=False, markup=False, soft_wrap=True)
            if json is not None:
                with json.open("a") as file:
                    file.write(json_format.dumps(_as_json(result)) + "\n")
    console.print(_table(results, NOTE.format(repeat=plan.repeat, folder=root)))
    return results


def cases(plan: RecoveryPlan, folder: Path) -> list[RecoveryCase]:
    """Return all cases; their files are in ``folder``."""
    return [
        *store_writes.cases(folder),
        *lost_worker.cases(folder, plan.rows_per_second),
        *checkpointed_throughput.cases(folder, min(plan.keys)),
        *frozen_batches.cases(folder, plan.keys),
        *restored_keys.cases(folder, plan.keys),
        *edited_job.cases(folder, min(plan.keys)),
    ]


def _results(chosen: Sequence[RecoveryCase], plan: RecoveryPlan) -> Iterator[CaseResult]:
    deadline = time.monotonic() + plan.minutes * 60
    weight = sum(case.weight for case in chosen)
    for case in chosen:
        now = time.monotonic()
        if now >= deadline:
            yield CaseResult(case.name, case.title, "not run", "the time was over; give more --minutes")
            continue
        share = (deadline - now) * case.weight / weight
        weight -= case.weight
        try:
            yield CaseResult(case.name, case.title, measurements=medians(_runs(case, now + share, plan.repeat)))
        except (SabotnbError, OSError, TimeoutError) as error:
            yield CaseResult(case.name, case.title, "error", f"{type(error).__name__}: {error}")


def _runs(case: RecoveryCase, deadline: float, repeat: int) -> list[Sequence[Measurement]]:
    """Run a case until ``deadline``, at least once; the time of a further run is that of the longest so far."""
    done: list[Sequence[Measurement]] = []
    longest = 0.0
    with case.prepare() as run:
        while len(done) < repeat and (not done or time.monotonic() + longest < deadline):
            began = time.monotonic()
            done.append(run())
            longest = max(longest, time.monotonic() - began)
    return done


def _line(result: CaseResult) -> str:
    targets = ", ".join(
        f"{target.name} {_value(target)} ({target.verdict})" for target in result.measurements if target.verdict
    )
    return f"{result.case}: {result.detail or targets or result.status}"


def _as_json(result: CaseResult) -> dict[str, Any]:
    return {
        "case": result.case,
        "title": result.title,
        "status": result.status,
        "detail": result.detail,
        "runs": result.runs,
        "measurements": [measurement.as_json() for measurement in result.measurements],
        "machine": machine(),
    }


def _table(results: Sequence[CaseResult], note: str) -> Table:
    computer = machine()
    table = Table(
        title=f"{computer['cpu']}, {computer['cores']} cores, Python {computer['python']}",
        caption=note,
        box=box.SIMPLE_HEAD,
    )
    for name in ("case", "measurement", "median", "target", "verdict"):
        table.add_column(name, justify="right" if name in ("median", "target") else "left", no_wrap=True)
    for result in results:
        table.add_row(
            f"[b]{result.case}", result.title, "", "", "" if result.status == "ok" else f"[red]{result.status}"
        )
        for measurement in result.measurements:
            most = "" if measurement.most is None else f"{measurement.most:,g} {measurement.unit}"
            color = "red" if measurement.verdict.startswith("missed") else "green"
            table.add_row("", measurement.name, _value(measurement), most, f"[{color}]{measurement.verdict}")
    return table


def _value(measurement: MedianMeasurement) -> str:
    digits = 0 if abs(measurement.median) >= 1000 else 1 if abs(measurement.median) >= 10 else 2
    return f"{measurement.median:,.{digits}f} {measurement.unit}"
