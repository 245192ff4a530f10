"""What people see: a line for each case while it is measured, and one table at the end."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from itertools import groupby

from rich import box
from rich.table import Table

from sabotnb.cli.bench.compare.engines import ENGINES, OURS
from sabotnb.cli.bench.compare.measured import OK, Measured, machine, ratio
from sabotnb.cli.bench.compare.ordinary_files import TableFacts

Results = Sequence[Mapping[str, Measured]]
"""For each case what each engine did."""

NOTE = (
    "x: sabotnb / engine, wall and CPU time; above 1 sabotnb is slower. Median of {repeat} runs at most, engines in "
    "turn; the warm-up run is excluded, except (*) where it took so long that it is the only run. CPU time and peak "
    "memory are of all processes of an engine: client and workers. -: the engine has no such query."
)


def progress_line(results: Mapping[str, Measured]) -> str:
    """One case on one line."""
    name = next(iter(results.values()))
    times = "  ".join(f"{engine} {_short(result)}" for engine, result in results.items() if _is_told(result))
    return f"{name.suite} {name.files} {name.case.name}: {times}"


def comparison_table(results: Results, repeat: int) -> Table:
    """All cases, a column for each engine, a section for each suite and kind of files."""
    found = machine()
    table = Table(
        title=f"{found['cpu']}, {found['cores']} cores, {found['memory_gb']} GB, Python {found['python']}",
        caption=NOTE.format(repeat=repeat),
        box=box.SIMPLE_HEAD,
        padding=(0, 0),
    )
    table.add_column("case", min_width=30)
    engines = list(results[0]) if results else []
    for engine in engines:
        measures = "s  CPU s   MB" if engine == OURS else "s  CPU s   MB     x x CPU"
        table.add_column(f"{engine} {ENGINES[engine].version() or ''}\n{measures}", justify="right", no_wrap=True)
    for (suite, kind), cases in groupby(results, lambda case: (case[OURS].suite, case[OURS].files)):
        section = list(cases)
        table.add_row(f"[bold]{suite}, {kind} files")
        for case in section:
            ours = case[OURS]
            table.add_row(f"{ours.case.name} {ours.case.title}", *(_cell(case[engine], ours) for engine in engines))
        table.add_row("[bold]median", *(_medians(section, engine) for engine in engines), end_section=True)
    return table


def files_lines(files: Mapping[tuple[str, str], Mapping[str, TableFacts]]) -> list[str]:
    """What was read, a line for each table."""
    return [
        f"{suite} {kind} {name}: {facts.rows:,} rows, {facts.bytes / 1e6:,.1f} MB, {facts.files} files, "
        f"{facts.row_groups} row groups, {facts.codec}, {facts.writer.split(' (')[0]}"
        for (suite, kind), tables in files.items()
        for name, facts in tables.items()
    ]


def errors(results: Results) -> list[str]:
    """What went wrong, in full."""
    every = (result for case in results for result in case.values())
    return [
        f"{measured.suite} {measured.case.name}, {measured.engine}: {measured.detail}"
        for measured in every
        if measured.status == "error"
    ]


def _is_told(result: Measured) -> bool:
    return result.status in {OK, "error", "not run"}


def _short(result: Measured) -> str:
    return f"{result.seconds:.3f} s" if result.seconds is not None else result.status.upper()


def _cell(result: Measured, ours: Measured) -> str:
    if result.seconds is None or result.cpu_seconds is None:
        return {"error": "[red]ERROR", "not expressed": "[dim]-"}.get(result.status, f"[dim]{result.status}")
    mark = "" if result.warm_up_excluded else "*"
    peak = "-" if result.peak_mb is None else f"{result.peak_mb:,.0f}"
    parts = [f"{result.seconds:.3f}{mark}", f"{result.cpu_seconds:6.3f}", f"{peak:>6}"]
    if result.engine != OURS:
        parts += [_times(ratio(ours.seconds, result.seconds)), _times(ratio(ours.cpu_seconds, result.cpu_seconds))]
    return " ".join(parts)


def _times(value: float | None) -> str:
    return "    -" if value is None else f"{value:5.2f}"


def _medians(results: Results, engine: str) -> str:
    if engine == OURS:
        return ""
    pairs = [(case[OURS], case[engine]) for case in results]
    wall = [found for ours, peer in pairs if (found := ratio(ours.seconds, peer.seconds)) is not None]
    cpu = [found for ours, peer in pairs if (found := ratio(ours.cpu_seconds, peer.cpu_seconds)) is not None]
    return " ".join(_times(statistics.median(values) if values else None) for values in (wall, cpu))
