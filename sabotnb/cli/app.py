"""Commands of ``sabotnb``; each imports what it needs when it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sabotnb import __version__

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Live dataflows on a Dask cluster.")
bench = typer.Typer(no_args_is_help=True, help="Measure: queries beside other engines, kernels, pipelines, latencies.")
app.add_typer(bench, name="bench")

Json = Annotated[Path | None, typer.Option("--json", help="Write one JSON object per case to this file.")]
Repeat = Annotated[int, typer.Option(min=1, help="Timed runs of each case; the median counts.")]
Only = Annotated[str, typer.Option("--only", help="Run the cases whose name contains this.")]
Events = Annotated[int, typer.Option(min=1, help="Events of the generator; 46 of 50 are bids.")]
Workers = Annotated[int, typer.Option(min=1, help="Worker processes, and threads of the other engines.")]
Minutes = Annotated[float, typer.Option(help="Stop after this time; writing the files comes on top.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sabotnb {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Live dataflows on a Dask cluster."""


@app.command()
def demo(
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the verdict only.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
) -> None:
    """Run the main job on the flights of 2013 and check its files against DuckDB."""
    from sabotnb.cli.demo import run
    from sabotnb.errors import SabotnbError

    try:
        equal = run(workers=workers, quiet=quiet)
    except SabotnbError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(0 if equal else 1)


@app.command()
def doctor() -> None:
    """Say what this machine lacks to run jobs, and what to do about it."""
    try:
        from sabotnb import doctor as examine
    except ImportError as error:  # kernels that are not built, or a package that is missing
        typer.echo(f"  ! {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(examine())


@bench.command()
def kernels(json: Json = None, repeat: Repeat = 7, only: Only = "") -> None:
    """Native kernels beside pyarrow, numpy and polars on the same batches, one core."""
    from sabotnb.cli.bench import shuffle_kernels, state_kernels
    from sabotnb.cli.bench.measure import run

    run([*shuffle_kernels.cases(), *state_kernels.cases()], json=json, repeat=repeat, only=only)


@bench.command()
def pipelines(
    json: Json = None,
    repeat: Repeat = 3,
    only: Only = "",
    events: Annotated[int, typer.Option(help="Nexmark events; 46 of 50 are bids.")] = 1_000_000,
) -> None:
    """Jobs on two worker processes that press on one mechanism: a slow sink, channels between many tasks."""
    from sabotnb.cli.bench.measure import run
    from sabotnb.cli.bench.pipelines import cases

    with cases(events) as prepared:
        run(prepared, json=json, repeat=repeat, only=only)


@bench.command()
def compare(
    suites: Annotated[list[str] | None, typer.Argument(help="nexmark, tpch, h2o, windows; without any: all.")] = None,
    files: Annotated[
        list[str] | None, typer.Option(help="duckdb-snappy, polars-zstd; without any: one of them for each suite.")
    ] = None,
    peer: Annotated[list[str] | None, typer.Option(help="polars, duckdb, bytewax, streamz; without any: all.")] = None,
    events: Annotated[int | None, typer.Option(help="Nexmark events; 46 of 50 are bids. Default: 10 million.")] = None,
    scale: Annotated[float | None, typer.Option(help="TPC-H scale factor. Default: 1.")] = None,
    rows: Annotated[int | None, typer.Option(help="Rows of the h2o tables. Default: 10 million.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of a peer, worker processes of sabotnb.")] = 2,
    minutes: Annotated[float, typer.Option(help="Stop after this time; writing the files comes on top.")] = 8,
    json: Json = None,
    repeat: Repeat = 3,
    only: Only = "",
) -> None:
    """The same queries on the same files beside polars, DuckDB, Bytewax and streamz; answers are compared."""
    from rich.console import Console

    from sabotnb.cli.bench.compare.command import Plan
    from sabotnb.cli.bench.compare.command import compare as run
    from sabotnb.errors import EnvError

    given = {"nexmark": events, "windows": events, "tpch": scale, "h2o": rows}
    plan = Plan(
        suites=suites or (),
        kinds=files or (),
        peers=peer or (),
        sizes={name: size for name, size in given.items() if size is not None},
        only=only,
        threads=threads,
        repeat=repeat,
        minutes=minutes,
    )
    console = Console(width=None if sys.stdout.isatty() else 190)
    try:
        results = run(plan, json, console)
    except EnvError as error:
        typer.echo(error, err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(1 if any(result.status == "error" for case in results for result in case.values()) else 0)


@bench.command()
def nexmark(
    events: Events = 10_000_000,
    workers: Workers = 2,
    minutes: Minutes = 8,
    json: Json = None,
    repeat: Repeat = 3,
    only: Only = "",
) -> None:
    """The Nexmark queries q0 to q22: rows per second and per core, once the answer equals DuckDB's."""
    from sabotnb.cli.bench import throughput

    plan = throughput.ThroughputPlan(events=events, only=only, workers=workers, repeat=repeat, minutes=minutes)
    _measure(throughput.nexmark, plan, json)


@bench.command()
def joins(
    events: Events = 10_000_000,
    workers: Workers = 2,
    minutes: Minutes = 8,
    json: Json = None,
    repeat: Repeat = 3,
    only: Only = "",
) -> None:
    """Joins by time beside polars and DuckDB: rows per second and per core, once the answers are equal."""
    from sabotnb.cli.bench import throughput

    plan = throughput.ThroughputPlan(events=events, only=only, workers=workers, repeat=repeat, minutes=minutes)
    _measure(throughput.joins, plan, json)


def _measure(run: Callable[[Any, Path | None, Any], Sequence[Mapping[str, Any]]], plan: Any, json: Path | None) -> None:
    """Print what ``run`` measures, and exit with 1 if an answer is wrong or missing."""
    from rich.console import Console

    from sabotnb.errors import EnvError

    try:
        results = run(plan, json, Console(width=None if sys.stdout.isatty() else 190))
    except EnvError as error:
        typer.echo(error, err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(1 if any(result.status == "error" for case in results for result in case.values()) else 0)


@bench.command()
def recovery(
    keys: Annotated[
        list[int] | None, typer.Option(min=1, help="Keys of the state; several times. Default: 1 and 10 million.")
    ] = None,
    minutes: Minutes = 8,
    json: Json = None,
    repeat: Repeat = 3,
    only: Only = "",
) -> None:
    """What checkpoints cost, and how fast jobs go on after a lost worker or from a savepoint, beside the targets."""
    from rich.console import Console

    from sabotnb.cli.bench.recovery import recovery_plan

    sizes = tuple(keys) if keys else recovery_plan.KEYS
    plan = recovery_plan.RecoveryPlan(keys=sizes, only=only, minutes=minutes, repeat=repeat)
    results = recovery_plan.measure(plan, json, Console(width=None if sys.stdout.isatty() else 190))
    raise typer.Exit(1 if any(result.status == "error" for result in results) else 0)


@bench.command()
def latency(json: Json = None, repeat: Repeat = 21, only: Only = "") -> None:
    """Submission, deployment, results, heartbeat: what a user waits for (p50 and p95)."""
    from sabotnb.cli.bench.measure import run
    from sabotnb.cli.bench.user_latency import cases

    with cases() as prepared:
        run(prepared, json=json, repeat=repeat, only=only)
