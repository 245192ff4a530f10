"""``sabotnb bench nexmark | joins``: rows per second of queries over Nexmark, of all processes and of each core.

The answer of every query is compared with DuckDB's before any time counts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from sabotnb.cli.bench.compare.command import demand_packages
from sabotnb.cli.bench.compare.comparison import Comparison, TimeBudget
from sabotnb.cli.bench.compare.comparison_table import errors, progress_line
from sabotnb.cli.bench.compare.engines import OURS
from sabotnb.cli.bench.compare.measured import Measured, append_json, machine, rate, rows_read
from sabotnb.cli.bench.compare.ordinary_files import TableFacts, facts
from sabotnb.cli.bench.compare.suite import load_queries
from sabotnb.nexmark import cached_parquet

ORACLE = "duckdb"
NOTE = (
    "rows: those of the tables that the query reads. M rows/s: by wall time; per core: by CPU time of all processes, "
    "client and workers. Median of {repeat} runs at most; the warm-up run is excluded, except (*) where it took so "
    "long that it is the only run. Answers are compared with DuckDB's."
)


@dataclass(frozen=True)
class ThroughputPlan:
    """What to run and how long."""

    events: int = 10_000_000
    only: str = ""
    workers: int = 2
    repeat: int = 3
    minutes: float = 8.0
    run_seconds: float = 60.0
    """A run that takes longer is an error."""


def nexmark(plan: ThroughputPlan, json: Path | None, console: Console) -> list[Mapping[str, Measured]]:
    """Measure the queries over the first ``events`` events of the generator, in the files of the user's cache."""
    return _measured("nexmark-queries", (ORACLE,), plan, json, console)


def joins(plan: ThroughputPlan, json: Path | None, console: Console) -> list[Mapping[str, Measured]]:
    """Measure the joins by time in the same way, with polars and DuckDB beside."""
    return _measured("joins", ("polars", ORACLE), plan, json, console)


def _measured(
    suite: str, peers: Sequence[str], plan: ThroughputPlan, json: Path | None, console: Console
) -> list[Mapping[str, Measured]]:
    demand_packages()
    queries = load_queries(suite)
    cases = [case for case in queries.cases if plan.only in case.name]
    paths = cached_parquet(plan.events)._asdict()
    tables = {name: facts(path) for name, path in paths.items()}
    budget = TimeBudget(time.monotonic() + plan.minutes * 60, sum(case.weight for case in cases))
    comparison = Comparison(
        queries, "generated", paths, (OURS, *peers), plan.workers, plan.repeat, plan.run_seconds, budget
    )
    if json is not None:
        json.write_text("")
    results = []
    for measured in comparison.measure(cases):
        results.append(measured)
        console.print(progress_line(measured), highlight=False, soft_wrap=True)
        if json is not None:
            append_json(json, measured, tables)
    for line in errors(results):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(_throughput_table(results, tables, plan.repeat, peers))
    return results


def _throughput_table(
    results: Sequence[Mapping[str, Measured]], tables: Mapping[str, TableFacts], repeat: int, peers: Sequence[str]
) -> Table:
    computer = machine()
    table = Table(
        title=f"{computer['cpu']}, {computer['cores']} cores, Python {computer['python']}",
        caption=NOTE.format(repeat=repeat),
        box=box.SIMPLE_HEAD,
    )
    table.add_column("query", no_wrap=True)
    theirs = [f"{peer} {measure}" for peer in peers for measure in ("s", "CPU s")]
    for name in ("rows", "s", "CPU s", "M rows/s", "per core", "MB", *theirs):
        table.add_column(name, justify="right", no_wrap=True)
    for measured in results:
        ours = measured[OURS]
        others = [cell for peer in peers for cell in _times(measured[peer])]
        rows = rows_read(ours.case, tables)
        table.add_row(f"{ours.case.name} {ours.case.title}", f"{rows:,}", *_cells(ours, rows), *others)
    return table


def _cells(measured: Measured, rows: int) -> tuple[str, ...]:
    rates = (rate(rows, seconds) for seconds in (measured.seconds, measured.cpu_seconds))
    speeds = ("-" if speed is None else f"{speed / 1e6:.2f}" for speed in rates)
    return (*_times(measured), *speeds, "-" if measured.peak_mb is None else f"{measured.peak_mb:,.0f}")


def _times(measured: Measured) -> tuple[str, str]:
    if measured.seconds is None or measured.cpu_seconds is None:
        return f"[red]{measured.status}" if measured.status == "error" else f"[dim]{measured.status}", "-"
    mark = "" if measured.warm_up_excluded else "*"
    return f"{measured.seconds:.3f}{mark}", f"{measured.cpu_seconds:.3f}"
