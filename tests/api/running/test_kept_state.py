"""Edit and continue on a cluster: a changed cell goes on from the state and the output of its running job."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

import sabotnb as sb
from sabotnb import col, errors

pytestmark = pytest.mark.cluster

N = 6_000
"""Rows of a bounded job, which takes seconds to read them: an edit is quicker."""


@pytest.fixture(scope="module")
def env() -> Iterator[sb.Env]:
    with sb.local(workers=2, slots=4, processes=False) as env:
        yield env


def totals(low: int = 0, **more: sb.Expr) -> sb.Stream:
    """One row with the sum of all values, whatever ``low`` is."""
    rows = sb.Stream.from_rate(2_000, n=N).filter(col("value") >= low)
    return rows.agg(total=col("value").sum(), n=sb.count(), **more)


TOTAL = {"total": sum(range(N)), "n": N}


def begun(job: sb.Job) -> sb.Job:
    """Pause a job that has read some rows, so that it does not end before its edit."""
    while not job.status.rows_in:
        assert not job.wait_changed(timeout=0.05)
    job.pause()
    return job


def note(job: sb.Job) -> str:
    return job._showing._note


def written(out: Path) -> list[dict[str, object]]:
    return ds.dataset(out).to_table().to_pylist()


def test_a_changed_filter_keeps_the_state_of_the_aggregate(env: sb.Env, tmp_path: Path) -> None:
    first = begun(totals().sink_parquet(tmp_path / "out").run("sums"))
    changed = totals(low=-1).sink_parquet(tmp_path / "out").run("sums")
    assert changed.run_id > first.run_id
    assert note(changed).startswith("continues the previous run; kept: source_0, aggregate_0; changed: filter_0; gap ")
    assert totals(low=-1).sink_parquet(tmp_path / "out").run("sums") is changed
    assert 0 < changed.wait(timeout=60).rows_in < N
    assert written(tmp_path / "out") == [TOTAL]


def test_the_rows_of_an_endless_job_are_there_once_after_an_edit(env: sb.Env, tmp_path: Path) -> None:
    rows = sb.Stream.from_rate(2_000)
    begun(rows.sink_parquet(tmp_path / "out").run("rows"))
    changed = begun(rows.filter(col("value") >= 0).sink_parquet(tmp_path / "out").run("rows"))
    assert note(changed).startswith("continues the previous run; kept: source_0; changed: filter_0; gap ")
    changed.stop()
    changed.wait(timeout=60)
    values = sorted(row["value"] for row in written(tmp_path / "out"))
    assert values == list(range(len(values)))


MOST = {"most": col("value").max()}
REFUSED = [
    (totals().named("sums"), r"'aggregate_0' is not in the changed job.*\.named\('aggregate_0'\)"),
    (
        totals(**MOST),
        r"'aggregate_0' has changed its aggregates from '.*' to 'most = max\(value\), .*drop_state=\['aggregate_0'\]\)",
    ),
    (
        sb.Stream.from_rate(2_000, n=N).agg(total=col("value").max(), n=sb.count()).named("aggregate_0"),
        r"'aggregate_0' has changed its aggregates from '.*total = sum\(value\)' to '.*total = max\(value\)'",
    ),
    (
        sb.Stream.from_rate(1_000, n=N).agg(total=col("value").sum(), n=sb.count()),
        r"'source_0' has another input than before.*\.run\(drop_state=\['source_0'\]\)",
    ),
    (totals().agg(n=sb.count()), r"'aggregate_0' was one of 1 of its kind, and there are 2 now"),
]
"""Changed jobs, and why they are refused while the running one goes on."""


def test_an_edit_that_loses_state_is_refused_and_the_job_goes_on(env: sb.Env, tmp_path: Path) -> None:
    job = begun(totals().sink_parquet(tmp_path / "out").run("kept"))
    for changed, message in REFUSED:
        with pytest.raises(errors.CheckpointError, match=message):
            changed.sink_parquet(tmp_path / "out").run("kept", drop_state=["aggregate0"])
    job.resume()
    job.wait(timeout=60)
    assert written(tmp_path / "out") == [TOTAL]


def test_state_that_does_not_fit_lets_the_job_go_on_from_its_savepoint(env: sb.Env, tmp_path: Path) -> None:
    first = begun(totals().sink_parquet(tmp_path / "out").run("fitting"))
    rows = sb.Stream.from_rate(2_000, n=N).with_columns(value=col("value") * 1.0)
    named = rows.agg(total=col("value").sum(), n=sb.count()).named("aggregate_0").sink_parquet(tmp_path / "out")
    with pytest.raises(
        errors.CheckpointError,
        match=r"'total:state0', which was decimal.*drop_state=\['aggregate_0'\]\)\nJob 'fitting' goes on as it was",
    ):
        named.run("fitting")
    again = sb.attach("fitting")
    assert again.run_id > first.run_id
    again.wait(timeout=60)
    assert written(tmp_path / "out") == [TOTAL]


def test_state_that_is_named_is_dropped(env: sb.Env, tmp_path: Path) -> None:
    begun(totals().sink_parquet(tmp_path / "out").run("dropping"))
    changed = totals(most=col("value").max()).sink_parquet(tmp_path / "out")
    job = changed.run("dropping", drop_state=["aggregate_0"])
    assert "kept: source_0; began empty: aggregate_0; dropped: aggregate_0; gap" in note(job)
    assert changed.run("dropping") is job
    result = job.wait(timeout=60)
    assert written(tmp_path / "out")[0]["n"] == result.rows_in < N


def test_a_job_that_cannot_save_its_state_goes_on_and_can_begin_without(env: sb.Env, tmp_path: Path) -> None:
    nowhere = sb.checkpoint("60s", storage="/proc/nope")
    first = begun(totals().sink_parquet(tmp_path / "out").run("unsaved", checkpoint=nowhere))
    changed = totals(low=-1).sink_parquet(tmp_path / "out")
    storage = sb.checkpoint("60s", storage=tmp_path / "ckpt")
    with pytest.raises(errors.CheckpointError, match=r"goes on as it was .*\.run\('unsaved', fresh=True\)"):
        changed.run("unsaved", checkpoint=storage)
    assert first.status.state == "RUNNING"
    changed.run("unsaved", checkpoint=storage, fresh=True).wait(timeout=60)
    assert written(tmp_path / "out") == [TOTAL]


def test_a_fresh_run_begins_from_nothing(env: sb.Env, tmp_path: Path) -> None:
    begun(totals().sink_parquet(tmp_path / "out").run("again"))
    job = totals(low=-1).sink_parquet(tmp_path / "out").run("again", fresh=True)
    assert job.wait(timeout=60).rows_in == N
    assert written(tmp_path / "out") == [TOTAL]


def test_a_job_goes_on_if_the_changed_one_cannot_begin(env: sb.Env, tmp_path: Path) -> None:
    class Broken:
        def __reduce__(self) -> tuple[object, ...]:
            return int, ("not a number",)

    broken: Any = Broken()
    begun(totals().sink_parquet(tmp_path / "out").run("careful"))
    rows = totals().map_batches(lambda batch: batch.slice(broken), schema=totals().schema)
    with pytest.raises(errors.SabotnbError, match=r"Job 'careful' goes on as it was before the change: sb\.attach"):
        rows.sink_parquet(tmp_path / "out").run("careful")
    sb.attach("careful").wait(timeout=60)
    assert written(tmp_path / "out") == [TOTAL]


def windows(rows: sb.Stream, every: str, width: str) -> sb.Stream:
    return rows.window(sb.tumbling(width)).agg(**{every: sb.count()})


def test_a_window_that_is_inserted_before_another_is_not_taken_for_it(env: sb.Env, tmp_path: Path) -> None:
    rows = sb.Stream.from_rate(2_000, n=N).with_event_time("time")
    first = begun(windows(rows, "n", "1h").sink_parquet(tmp_path / "out").run("windows"))
    both = windows(windows(rows, "n", "1m"), "m", "1h")
    with pytest.raises(errors.CheckpointError, match=r"'window_0' was one of 1 of its kind, and there are 2 now"):
        both.sink_parquet(tmp_path / "out").run("windows")
    first.resume()
    first.wait(timeout=60)
    assert sum(row["n"] for row in written(tmp_path / "out")) == N


def hours(width: str = "1h", keys: tuple[str, ...] = ("j", "k")) -> sb.Stream:
    digits = {"j": col("value") % 3, "k": col("value") % 5}
    rows = sb.Stream.from_rate(2_000, n=N).with_columns(**digits).with_event_time("time")
    return rows.group_by(*keys).window(sb.tumbling(width)).agg(n=sb.count()).named("hours")


ANOTHER_MEANING = [
    (hours("90m"), r"'hours' has changed its window from 'tumbling 1h' to 'tumbling 90m'"),
    (hours(keys=("k", "j")), r"'hours' has changed its keys from 'j, k' to 'k, j'"),
]


def test_a_name_does_not_make_state_fit_that_means_something_else(env: sb.Env, tmp_path: Path) -> None:
    job = begun(hours().sink_parquet(tmp_path / "out").run("named"))
    for changed, message in ANOTHER_MEANING:
        with pytest.raises(errors.CheckpointError, match=message + r".*The job goes on as it was"):
            changed.sink_parquet(tmp_path / "out").run("named")
    savepoint = job.stop(savepoint=True)
    assert savepoint is not None
    job.wait(timeout=60)
    for changed, message in ANOTHER_MEANING:
        with pytest.raises(errors.CheckpointError, match=message + r".*\.run\(\.\.\., drop_state=\['hours'\]\)"):
            changed.sink_parquet(tmp_path / "out").run("named", start_from=savepoint.path)
    hours().sink_parquet(tmp_path / "out").run("named", start_from=savepoint.path).wait(timeout=60)
    assert sum(row["n"] for row in written(tmp_path / "out")) == N


def test_a_run_says_from_which_checkpoint_it_begins(env: sb.Env, tmp_path: Path) -> None:
    first = begun(sb.Stream.from_rate(2_000).sink_parquet(tmp_path / "out").run("early"))
    savepoint = first.stop(savepoint="noon")
    first.wait(timeout=60)
    assert savepoint is not None
    notes = []
    for name, out in (("early", "out"), ("late", "other")):
        later = sb.Stream.from_rate(2_000).sink_parquet(tmp_path / out).run(name, start_from=savepoint)
        notes.append(note(later))
        later.cancel()
    assert notes == ["begins from savepoint 1 'noon'", "begins from savepoint 1 'noon' of 'early'"]
