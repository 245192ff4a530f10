"""``sabotnb bench compare``: prepare the data, measure suite by suite, print the table, write the JSON lines."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from sabotnb.cli.bench.compare.comparison import Comparison, TimeBudget
from sabotnb.cli.bench.compare.comparison_table import comparison_table, errors, files_lines, progress_line
from sabotnb.cli.bench.compare.engines import ENGINES, OURS
from sabotnb.cli.bench.compare.measured import Measured, append_json
from sabotnb.cli.bench.compare.ordinary_files import TableFacts, dataset, facts
from sabotnb.cli.bench.compare.suite import FILE_KINDS, SUITES, FileKind, Suite, load
from sabotnb.errors import EnvError

PACKAGES = ("polars", "duckdb", "psutil")


@dataclass(frozen=True)
class Plan:
    """What to measure and how long."""

    suites: Sequence[str] = ()
    """Without any: all."""
    kinds: Sequence[str] = ()
    """Of files; without any, each suite has its own."""
    peers: Sequence[str] = ()
    """Engines beside sabotnb; without any: all."""
    sizes: Mapping[str, float] = field(default_factory=dict)
    """Suite -> size, where it is not the suite's own."""
    only: str = ""
    threads: int = 2
    repeat: int = 3
    minutes: float = 8.0
    run_seconds: float = 60.0
    """A run that takes longer is an error."""


def compare(plan: Plan, json: Path | None, console: Console) -> list[Mapping[str, Measured]]:
    """Measure what ``plan`` says. The files are written before the clock starts; the clock includes warm-ups."""
    _check_names(plan)
    suites = [load(name) for name in plan.suites or SUITES]
    chosen = [(suite, FILE_KINDS[kind]) for suite in suites for kind in plan.kinds or (suite.kind,)]
    folders = [_prepared(plan, suite, kind, console) for suite, kind in chosen]
    cases = [[case for case in suite.cases if plan.only in case.name] for suite, _ in chosen]
    engines = [OURS, *(name for name in plan.peers or ENGINES if name != OURS)]
    weight = sum(case.weight for asked in cases for case in asked)
    budget = TimeBudget(time.monotonic() + plan.minutes * 60, weight)
    files: dict[tuple[str, str], Mapping[str, TableFacts]] = {}
    results: list[Mapping[str, Measured]] = []
    if json is not None:
        json.write_text("")
    for (suite, kind), folder, asked in zip(chosen, folders, cases, strict=True):
        paths = {path.name: str(path / "*.parquet") for path in sorted(folder.iterdir())}
        tables = files[suite.name, kind.name] = {name: facts(pattern) for name, pattern in paths.items()}
        comparison = Comparison(suite, kind.name, paths, engines, plan.threads, plan.repeat, plan.run_seconds, budget)
        for measured in comparison.measure(asked):
            results.append(measured)
            console.print(progress_line(measured), highlight=False, soft_wrap=True)
            if json is not None:
                append_json(json, measured, tables)
    for line in (*files_lines(files), *errors(results)):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(comparison_table(results, plan.repeat))
    return results


def _prepared(plan: Plan, suite: Suite, kind: FileKind, console: Console) -> Path:
    size = plan.sizes.get(suite.name, suite.size)
    console.print(f"data: {suite.name}, {size:,.12g} {suite.unit}, {kind.name}", highlight=False)
    return dataset(suite, size, kind)


def _check_names(plan: Plan) -> None:
    for kind, given, known in (
        ("a kind of files", plan.kinds, FILE_KINDS),
        ("an engine", plan.peers, ENGINES),
    ):
        if unknown := [name for name in given if name not in known]:
            raise EnvError(f"'{unknown[0]}' is not {kind}; choose from {', '.join(known)}")
    demand_packages()


def demand_packages() -> None:
    """Raise EnvError if a package is missing that writes the files, answers too, or measures."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise EnvError(f"the benchmark needs {', '.join(missing)}: pip install 'sabotnb[bench]'")
