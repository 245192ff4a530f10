"""Commands of ``sabotnb``; each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Live dataflows on a Dask cluster.")
bench = typer.Typer(no_args_is_help=True, help="Measure: kernels, whole pipelines, latencies.")
app.add_typer(bench, name="bench")

Json = Annotated[Path | None, typer.Option("--json", help="Write one JSON object per case to this file.")]
Repeat = Annotated[int, typer.Option(min=1, help="Timed runs of each case; the median counts.")]
Only = Annotated[str, typer.Option("--only", help="Run the cases whose name contains this.")]


@app.command()
def demo(
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the verdict only.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
) -> None:
    """Run the main job on the flights of 2013 and check its files against DuckDB."""
    from sabotnb.cli.demo import run

    raise typer.Exit(0 if run(workers=workers, quiet=quiet) else 1)


@app.command()
def doctor() -> None:
    """Say what this machine lacks to run jobs, and what to do about it."""
    from sabotnb import doctor as examine

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
    events: Annotated[int, typer.Option(help="Nexmark events; 46 of 50 are bids.")] = 50_000_000,
) -> None:
    """Whole jobs over Nexmark files on two worker processes beside polars and DuckDB; start-up excluded."""
    from sabotnb.cli.bench.measure import run
    from sabotnb.cli.bench.pipelines import cases

    with cases(events) as prepared:
        run(prepared, json=json, repeat=repeat, only=only)


@bench.command()
def latency(json: Json = None, repeat: Repeat = 21, only: Only = "") -> None:
    """Submission, deployment, results, heartbeat: what a user waits for (p50 and p95)."""
    from sabotnb.cli.bench.latency import cases
    from sabotnb.cli.bench.measure import run

    with cases() as prepared:
        run(prepared, json=json, repeat=repeat, only=only)
