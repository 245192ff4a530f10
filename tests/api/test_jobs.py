"""Jobs on a cluster, from the API: names and re-runs, results, waiting, failures, sessions."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

import sabotnb as sb
from sabotnb import col, errors

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def env() -> Iterator[sb.Env]:
    with sb.local(workers=2, slots=4, processes=False) as env:
        yield env


@pytest.fixture
def numbers(env: sb.Env) -> sb.Stream:
    return sb.Stream.from_arrow(pa.table({"x": pa.array(range(1000)), "even": [x % 2 == 0 for x in range(1000)]}))


@pytest.fixture
def endless(env: sb.Env) -> Iterator[sb.Stream]:
    yield sb.Stream.from_rate(1000)
    for job in sb.jobs().to_dict("records"):
        if job["state"] not in ("FINISHED", "FAILED", "CANCELED"):
            handle = sb.attach(job["job"])
            handle.cancel()
            with pytest.raises(errors.JobCanceled):
                handle.wait(timeout=20)


def test_files_hold_the_result(numbers: sb.Stream, tmp_path: Path) -> None:
    by = numbers.group_by("even").agg(n=sb.count(), total=col("x").sum())
    result = by.sink_parquet(tmp_path / "out").run("sums").wait(timeout=60)
    written = ds.dataset(tmp_path / "out").to_table().sort_by("even").to_pylist()
    assert written == [{"even": False, "n": 500, "total": 250_000}, {"even": True, "n": 500, "total": 249_500}]
    assert (result.name, result.rows_in, result.rows_out) == ("sums", 1000, 2)


def test_rows_set_aside_are_counted_once(numbers: sb.Stream) -> None:
    def odd(row: dict[str, Any]) -> dict[str, Any]:
        if row["even"]:
            raise ValueError("even")
        return row

    some = numbers.map_rows(odd, schema={"x": "int64", "even": "bool"}, on_error="side").named("odd")
    seen: list[int] = []
    main = some.sink_callback(lambda batch: seen.append(batch.num_rows))
    job = sb.run("aside", main, some.side("errors").sink_callback(lambda batch: seen.append(batch.num_rows)))
    assert job.wait(timeout=60).rows_out == sum(seen) == 1000
    assert job.status.rows_out == 1000
    assert " rows in · 1,000 rows out" in job._repr_html_()


def test_a_job_shows_its_state_and_what_went_through_it(numbers: sb.Stream, tmp_path: Path) -> None:
    job = numbers.map_batches(lambda batch: batch.slice(0, 10)).sink_csv(tmp_path / "out").run("<shown>")
    job.wait(timeout=60)
    assert repr(job).startswith("<shown> FINISHED: 2 tasks, 1,000 rows in, ")
    assert all(text in job._repr_html_() for text in ("&lt;shown&gt;", ">FINISHED<", "1,000 rows in"))


def test_without_the_optimizer_every_row_travels_and_the_result_is_the_same(numbers: sb.Stream, tmp_path: Path) -> None:
    by = numbers.filter(col("x") >= 500).group_by("even").agg(total=col("x").sum())
    travelled = {}
    for optimize in (True, False):
        out = tmp_path / str(optimize)
        job = by.sink_parquet(out).run(optimize=optimize)
        job.wait(timeout=60)
        travelled[optimize] = job.metrics(per="edge")["rows"].tolist()
        assert ds.dataset(out).to_table().sort_by("even")["total"].to_pylist() == [187_500, 187_250]
    assert travelled[False] == [500]
    assert sum(travelled[True]) < 10


@pytest.mark.parametrize("placement", ["round_robin", "least_loaded", "resource_aware", "locality"])
def test_tasks_are_placed_by_the_strategy_asked_for(numbers: sb.Stream, tmp_path: Path, placement: str) -> None:
    job = numbers.sink_parquet(tmp_path / "out").run("placed", placement=placement)
    job.wait(timeout=30)
    assert [line.split()[-1] for line in job.assignment().splitlines()] == ["source_0[0]", "source_0[1]"]


def test_an_unknown_strategy_names_the_known_ones(numbers: sb.Stream, tmp_path: Path) -> None:
    with pytest.raises(errors.GraphError, match="round_robin, least_loaded, resource_aware, locality"):
        numbers.sink_parquet(tmp_path / "out").run("placed", placement="fastest")


def test_one_job_with_two_sinks_runs_what_they_share_once(numbers: sb.Stream, tmp_path: Path) -> None:
    small = numbers.filter(col("x") < 100)
    job = sb.run("both", small.sink_parquet(tmp_path / "rows"), small.agg(n=sb.count()).sink_csv(tmp_path / "count"))
    assert job.wait(timeout=60).rows_in == 1000
    assert ds.dataset(tmp_path / "rows").count_rows() == 100
    assert ds.dataset(tmp_path / "count", format="csv").to_table().to_pylist() == [{"n": 100}]


def test_collecting_uses_the_open_env(numbers: sb.Stream) -> None:
    assert numbers.filter(col("x") < 3).select("x").sort("x").to_rows() == [{"x": 0}, {"x": 1}, {"x": 2}]


def collecting() -> set[str]:
    """States of the jobs that bring rows here."""
    table = sb.jobs()
    return set(table["state"][table["job"].str.startswith("collect-")])


def test_a_loop_that_breaks_ends_its_job(numbers: sb.Stream) -> None:
    batches = iter(sb.Stream.from_rate(1000, n=1_000_000))
    assert next(batches).num_rows > 0
    assert "RUNNING" in collecting()
    batches.close()
    assert collecting() <= {"FINISHED", "CANCELING", "CANCELED"}


def test_an_iterator_that_nobody_asks_for_rows_starts_no_job(numbers: sb.Stream) -> None:
    before = sb.jobs()["job"].tolist()
    assert list(zip([], numbers, strict=False)) == []
    iter(numbers)
    assert sb.jobs()["job"].tolist() == before


def test_readers_of_one_line_do_not_take_rows_from_each_other(numbers: sb.Stream, monkeypatch) -> None:
    monkeypatch.setattr("sabotnb.api.job_naming.job_name", lambda: "cell-1")
    slow = iter(sb.Stream.from_rate(1000, n=1_000_000))
    next(slow)
    quick = iter(numbers.select("x"))
    first = next(quick)
    with pytest.raises(errors.JobCanceled, match="replaced by a newer run"):
        list(slow)
    assert first.num_rows + sum(batch.num_rows for batch in quick) == 1000


def test_a_callback_has_had_every_row_when_waiting_ends(numbers: sb.Stream) -> None:
    seen: list[int] = []
    numbers.sink_callback(lambda batch: seen.extend(batch["x"].to_pylist())).run("seen").wait(timeout=60)
    assert sorted(seen) == list(range(1000))


def test_a_callback_that_raises_fails_its_job_for_everybody_who_looks(endless: sb.Stream) -> None:
    def broken(batch: pa.RecordBatch) -> None:
        raise ValueError("not today")

    job = endless.sink_callback(broken).run("callback")
    with pytest.raises(errors.UserFunctionError, match=r"broken \(test_jobs.py:\d+\) raised ValueError: not today"):
        job.wait(timeout=60)
    assert job.wait_changed(timeout=60)
    card = job._repr_html_()
    assert [text in card for text in ("FAILED", "raised ValueError: not today", "in broken")] == [True] * 3


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def exits(batch: pa.RecordBatch) -> None:
    sys.exit(3)


def interrupts(batch: pa.RecordBatch) -> None:
    raise KeyboardInterrupt


def is_speechless(batch: pa.RecordBatch) -> None:
    raise SpeechlessError


def converts(batch: pa.RecordBatch) -> None:
    batch.to_pylist()  # Python has no such dates


@pytest.mark.parametrize("rows", [1, 400_000])
@pytest.mark.parametrize(
    ("callback", "says"),
    [
        (exits, "SystemExit: 3"),
        (interrupts, "KeyboardInterrupt"),
        (is_speechless, r"SpeechlessError: \(its text cannot be made: RuntimeError\)"),
        (converts, r"\w+Error: "),
    ],
)
def test_a_callback_fails_its_job_whatever_it_raises(env: sb.Env, callback, says: str, rows: int) -> None:
    year_11476 = pa.array([300_000_000_000] * rows, pa.timestamp("s"))
    job = sb.Stream.from_arrow(pa.table({"t": year_11476})).sink_callback(callback).run("raising")
    line = rf"sink_0: {callback.__name__} \(test_jobs.py:\d+\) raised {says}.*  test_jobs.py:\d+: "
    with pytest.raises(errors.UserFunctionError, match=line) as raised:
        job.wait(timeout=60)
    assert f"in {callback.__name__}" in raised.value.user_traceback
    assert "<timestamp[s]: 300000000000>" in raised.value.sample
    assert (job.status.state, callback.__name__ in job.status.failure) == ("FAILED", True)


def test_a_job_is_over_when_its_callback_has_had_every_row(numbers: sb.Stream) -> None:
    go, seen = threading.Event(), []

    def slow(batch: pa.RecordBatch) -> None:
        go.wait()
        seen.append(batch.num_rows)

    job = numbers.map_batches(lambda batch: [batch.slice(0, 1), batch.slice(1)]).sink_callback(slow).run("awaited")
    while job.status.rows_out < 1000:
        assert job.status.state != "FINISHED"
    assert not job.wait_changed(timeout=0.5)
    go.set()
    assert job.wait(timeout=60).rows_out == sum(seen) == 1000


def test_a_slow_callback_is_not_called_long_after_the_job_was_canceled(endless: sb.Stream) -> None:
    started, go = threading.Event(), threading.Event()
    calls = []

    def slow(batch: pa.RecordBatch) -> None:
        calls.append(batch.num_rows)
        started.set()
        go.wait()

    job = sb.Stream.from_rate(10_000_000).sink_callback(slow).run("slow")
    started.wait(timeout=60)
    job.cancel()
    assert job.wait_changed(timeout=20)
    go.set()
    with pytest.raises(errors.JobCanceled):
        job.wait(timeout=20)
    assert len(calls) <= 2


def test_a_live_sink_keeps_the_last_rows(numbers: sb.Stream) -> None:
    job = numbers.sort("x").sink_live(keep=3).run("live")
    assert job.wait(timeout=60).rows_out == 1000
    assert job.rows["x"].to_pylist() == [997, 998, 999]


def test_each_of_several_live_sinks_keeps_its_own(numbers: sb.Stream) -> None:
    few = numbers.filter(col("x") < 3).sink_live()
    named = numbers.filter(col("x") > 998).sink_live().named("most")
    job = sb.run("lives", few, named)
    job.wait(timeout=60)
    assert job.rows_of("sink_0")["x"].to_pylist() == [0, 1, 2]
    assert job.rows_of("mo")["x"].to_pylist() == [999]
    assert [job.live_table(sink)._look().table.num_rows for sink in ("sink_0", "most")] == [3, 1]
    with pytest.raises(errors.JobError, match=r"has several live sinks \('sink_0', 'most'\): .rows_of\('sink_0'\)"):
        _ = job.rows
    with pytest.raises(errors.JobError, match=r"several live sinks \('sink_0', 'most'\): .live_table\('sink_0'\)"):
        job.live_table()
    with pytest.raises(errors.JobError, match="has no live sink 'x'; it has 'sink_0', 'most'"):
        job.rows_of("x")
    with pytest.raises(errors.JobError, match="'' could be any of 'sink_0', 'most': write more of its name"):
        job.rows_of("")


def test_a_job_without_live_sink_says_so(numbers: sb.Stream, tmp_path: Path) -> None:
    job = numbers.sink_parquet(tmp_path / "out").run("files")
    with pytest.raises(errors.JobError, match=r"keeps no rows here: end its stream with .sink_live\(\)$"):
        _ = job.rows
    with pytest.raises(errors.JobError, match=r"sink_live\(\), or sample any operator: .live_table\('operator'\)"):
        job.live_table()
    job.wait(timeout=60)


def test_a_running_job_of_the_same_name_and_graph_is_attached_to(endless: sb.Stream) -> None:
    first, again = endless.run("again"), endless.run("again")
    assert again.run_id == first.run_id
    assert again is first


def test_a_changed_graph_goes_on_where_the_job_stops(endless: sb.Stream) -> None:
    first = endless.run("changing")
    changed = endless.filter(col("value") > 5).run("changing")
    assert changed.run_id > first.run_id
    assert first.wait(timeout=30).name == changed.name


def test_a_changed_graph_replaces_a_job_without_checkpoints(endless: sb.Stream) -> None:
    first = endless.sink_live().run("changing", checkpoint=None)
    changed = endless.filter(col("value") > 5).run("changing")
    assert changed.run_id > first.run_id
    with pytest.raises(errors.JobCanceled):
        first.wait(timeout=30)


def test_a_changed_option_is_a_changed_job(endless: sb.Stream) -> None:
    first = endless.run("wider", parallelism=1)
    changed = endless.run("wider", parallelism=2)
    assert changed.run_id > first.run_id
    assert endless.run("wider", parallelism=2) is changed


def test_a_changed_callback_is_a_changed_job(endless: sb.Stream) -> None:
    def into(rows: list[int], step: int) -> Callable[[pa.RecordBatch], None]:
        return lambda batch: rows.append(step)

    first = endless.sink_callback(into([], 1)).run("called")
    changed = endless.sink_callback(into([], 2)).run("called")
    assert changed.run_id > first.run_id


def test_a_callback_of_a_cell_that_runs_again_gets_the_rows_to_come(endless: sb.Stream) -> None:
    def cell() -> tuple[Queue[int], sb.Job]:
        rows: Queue[int] = Queue()
        return rows, endless.sink_callback(lambda batch: rows.put(batch.num_rows)).run("cell again")

    first, job = cell()
    assert first.get(timeout=30)
    second, again = cell()
    assert again is job
    assert second.get(timeout=30)


def test_a_finished_job_starts_anew_and_may_replace_its_own_output(numbers: sb.Stream, tmp_path: Path) -> None:
    sink = numbers.filter(col("x") < 10).sink_parquet(tmp_path / "out")
    sink.run("again").wait(timeout=60)
    sink.run("again").wait(timeout=60)
    assert ds.dataset(tmp_path / "out").count_rows() == 10


def test_foreign_output_is_refused(numbers: sb.Stream, tmp_path: Path) -> None:
    (tmp_path / "precious.parquet").write_bytes(b"somebody else's")
    with pytest.raises(errors.SinkError, match="mode="):
        numbers.sink_parquet(tmp_path).run("rude")
    assert (tmp_path / "precious.parquet").read_bytes() == b"somebody else's"


@pytest.mark.filterwarnings("ignore:.*the input is endless")
def test_a_replaced_endless_job_commits_its_rows_first(env: sb.Env, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = sb.Stream.from_rate(1_000).sink_parquet(out).run("kept", checkpoint=None)
    while not first.status.rows_in:
        first.wait_changed(0.1)
    with pytest.warns(UserWarning, match=r"committed its rows, which this run's output replaces.*mode='append'"):
        second = sb.Stream.from_rate(2_000).sink_parquet(out).run("kept")
    first.wait(timeout=30)
    assert ds.dataset(out).count_rows() > 0
    second.cancel()


@pytest.mark.filterwarnings("ignore:.*the input is endless")
def test_a_folder_that_another_job_writes_into_is_refused_at_once(env: sb.Env, tmp_path: Path) -> None:
    endless = sb.Stream.from_rate(100)
    first = endless.sink_parquet(tmp_path / "out").run("first")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    for path in ("out", "link", "out/below"):
        with pytest.raises(errors.SinkError, match=r"job 'first' is writing into .*sb\.attach\('first'\)\.stop\(\)"):
            endless.sink_csv(tmp_path / path, mode="append").run("second")
    assert endless.sink_parquet(tmp_path / "out").run("first").run_id == first.run_id
    first.cancel()


def test_two_sinks_do_not_share_a_folder(numbers: sb.Stream, tmp_path: Path) -> None:
    out = numbers.sink_parquet(tmp_path / "out")
    for other in (tmp_path / "out", tmp_path / "out" / "of" / "it", tmp_path):
        with pytest.raises(errors.SinkError, match="folder of its own, none inside another"):
            sb.run("both", out, numbers.sink_csv(other))
    sb.run("beside", out, numbers.sink_csv(tmp_path / "out-2")).wait(timeout=60)


def test_unnamed_jobs_are_called_after_the_line_that_runs_them(numbers: sb.Stream, tmp_path: Path) -> None:
    job = numbers.sink_parquet(tmp_path / "out").run()
    assert job.name.startswith("test-jobs-")
    job.wait(timeout=60)


def test_a_timeout_ends_the_waiting_alone(endless: sb.Stream) -> None:
    job = endless.run("patience")
    with pytest.raises(TimeoutError, match=r"is still \w+ after 0\.01 s and keeps running: job\.wait\(\) waits again"):
        job.wait(timeout="10ms")
    assert job.status.state in ("PENDING", "DEPLOYING", "RUNNING")


def test_a_timeout_holds_for_a_callback_that_takes_its_time(numbers: sb.Stream) -> None:
    started, go = threading.Event(), threading.Event()
    taken: list[int] = []

    def unhurried(batch: pa.RecordBatch) -> None:
        started.set()
        go.wait()
        taken.append(batch.num_rows)

    job = numbers.sink_callback(unhurried).run("unhurried")
    assert started.wait(timeout=60)
    with pytest.raises(TimeoutError, match=r"after 0\.01 s.*job\.wait\(\) waits again"):
        job.wait(timeout="10ms")
    go.set()
    job.wait(timeout=60)
    assert sum(taken) == 1000


def test_a_job_that_failed_says_so_though_its_callback_is_not_done(endless: sb.Stream) -> None:
    started, go = threading.Event(), threading.Event()
    job = endless.sink_callback(lambda batch: started.set() or go.wait()).run("unhurried")
    assert started.wait(timeout=60)
    job.cancel()
    assert job.wait_changed(timeout=60)
    with pytest.raises(errors.JobCanceled):
        job.wait(timeout="10ms")
    go.set()


def test_stopping_drains(endless: sb.Stream) -> None:
    job = endless.run("stopping")
    job.stop()
    assert job.wait(timeout=60).name == "stopping"


def test_waiting_can_be_awaited(numbers: sb.Stream, tmp_path: Path) -> None:
    async def awaited() -> sb.JobResult:
        return await numbers.sink_parquet(tmp_path / "out").run("awaited")

    assert asyncio.run(awaited()).rows_in == 1000


def test_a_failing_function_brings_its_own_exception(numbers: sb.Stream, tmp_path: Path) -> None:
    def fragile(batch: pa.RecordBatch) -> pa.RecordBatch:
        if pc.max(batch["x"]).as_py() == 999:
            raise ZeroDivisionError("at the end")
        return batch

    job = (
        numbers.map_batches(fragile, schema=numbers.schema)
        .named("fragile_map")
        .sink_parquet(tmp_path / "out")
        .run("fails")
    )
    with pytest.raises(errors.JobFailed) as caught:
        job.wait(timeout=60)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert all(part in str(caught.value) for part in ("fragile_map", "test_jobs.py", "at the end"))
    assert list(tmp_path.glob("out/*.parquet")) == []


def test_metrics_count_rows_per_task_operator_and_edge(numbers: sb.Stream, tmp_path: Path) -> None:
    job = (
        numbers.group_by("even")
        .agg(n=sb.count())
        .named("by", parallelism=2)
        .sink_parquet(tmp_path / "out")
        .run("counted")
    )
    job.wait(timeout=60)
    tasks, operators, edges = job.metrics(), job.metrics(per="operator"), job.metrics(per="edge")
    assert set(tasks["state"]) == {"FINISHED"}
    assert operators.set_index("vertex").loc["source_0", "rows_in"] == 1000
    assert edges["type"].tolist() == ["hash"]
    assert edges["edge"].tolist() == [f"{job.run_id}:source_0->by:0"]


def test_a_job_needs_no_more_slots_than_there_are(numbers: sb.Stream, tmp_path: Path) -> None:
    with pytest.raises(errors.InsufficientSlots, match="parallelism="):
        numbers.sink_parquet(tmp_path / "out").run("greedy", parallelism=100)


def test_a_job_whose_source_can_be_read_once_says_why_it_takes_no_savepoint(env: sb.Env, tmp_path: Path) -> None:
    rows = sb.Stream.from_generator(lambda: iter([{"x": 1}]), {"x": "int64"})
    job = rows.sink_parquet(tmp_path / "out").run("once", checkpoint=sb.checkpoint("60s"))
    job.wait(timeout=60)
    with pytest.raises(
        errors.CheckpointError, match=r"no savepoints: source_0 can be read only once\. .*replayable=True"
    ):
        job.savepoint("x")


@pytest.mark.parametrize("name", [5, "", "x" * 201, "\N{SNOWMAN}" * 50, "half \ud800"])
def test_a_name_that_no_file_can_have_is_refused(numbers: sb.Stream, tmp_path: Path, name: object) -> None:
    with pytest.raises(errors.GraphError, match="is not a job name: give a string of 1 to 150 characters"):
        numbers.sink_parquet(tmp_path / "out").run(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("parallelism", [0, "2", 2.5])
def test_parallelism_is_a_number_of_tasks(numbers: sb.Stream, tmp_path: Path, parallelism: object) -> None:
    with pytest.raises(errors.GraphError, match=f"parallelism is {parallelism!r}; give a number of tasks"):
        numbers.sink_parquet(tmp_path / "out").run("odd", parallelism=parallelism)  # type: ignore[arg-type]


def test_attaching_to_an_unknown_job_lists_what_there_is(env: sb.Env) -> None:
    with pytest.raises(errors.JobError, match="no job 'nothing'"):
        sb.attach("nothing")


def test_the_same_arguments_give_the_same_env(env: sb.Env) -> None:
    assert sb.local(workers=2, slots=4, processes=False) is env


def test_other_arguments_are_refused(env: sb.Env) -> None:
    with pytest.raises(errors.EnvError, match=r"env\.scale\(n\).*env\.close\(\)"):
        sb.local(workers=3)


def test_the_env_shows_its_slots(env: sb.Env) -> None:
    slots = env.slots()
    assert slots["slots"].tolist() == [4, 4]
    assert repr(env).endswith(f": 2 workers, {slots['free'].sum()} of 8 slots free")


def test_keys_are_in_the_task_that_their_rows_go_to(numbers: sb.Stream) -> None:
    def task(batch: pa.RecordBatch) -> pa.RecordBatch:
        thread = pa.array([threading.current_thread().name] * len(batch))
        return pa.RecordBatch.from_arrays([batch["key"], thread], ["key", "thread"])

    keyed = numbers.with_columns(key=col("x") % 10).partition_by("key")
    job = keyed.map_batches(task, schema={"key": "int64", "thread": "string"}).named("seen").sink_live().run("keys")
    job.wait(timeout=60)
    threads = dict(zip(job.rows["key"].to_pylist(), job.rows["thread"].to_pylist(), strict=True))
    owners = job.keys("see", range(10))
    assert list(owners) == ["key", "group", "task", "agent"]
    agents = job.metrics().query("vertex == 'seen'").set_index("index")["agent"]
    for row in owners.to_dict("records"):
        assert f"seen[{row['task']}]" in threads[row["key"]]
        assert row["agent"] == agents[row["task"]]
    assert set(owners["task"]) == {0, 1}


def test_keys_of_an_unknown_operator_name_those_there_are(numbers: sb.Stream) -> None:
    job = numbers.distinct("even").sink_live().run("even")
    with pytest.raises(errors.JobError, match=r"job 'even' has no operator 'window'; choose one of: .*distinct_0"):
        job.keys("window", [True])
    with pytest.raises(errors.JobError, match=r"'source_0' has no keys.*; these have: distinct_0"):
        job.keys("source", [True])


def test_explain_is_kept_with_the_job(numbers: sb.Stream, tmp_path: Path) -> None:
    sink = numbers.filter(col("x") < 5).partition_by("x").map_rows(dict).sink_parquet(tmp_path / "out")
    job = sink.run("explained")
    job.wait(timeout=60)
    assert sb.attach("explained").explain() == job.explain() == sink.explain()
    assert "== physical ==" in job.explain()
    without = sink.run("explained", checkpoint=None)
    assert job.explain().splitlines()[-1].endswith("the job goes on from the last checkpoint")
    assert without.explain().splitlines()[-1].endswith("the job begins again")
    without.wait(timeout=60)


def test_metrics_are_flat_and_have_rates_and_shares(endless: sb.Stream) -> None:
    job = endless.run("flowing")
    shares = ["busy", "idle", "backpressured"]
    while (tasks := job.metrics())["rows_in_rate"].sum() < 100 or not tasks[shares].any(axis=1).all():
        assert not job.wait_changed(timeout=0.1)  # agents report one after the other
    assert tasks[shares].sum(axis=1).tolist() == pytest.approx([1.0] * len(tasks))
    assert not any(isinstance(value, dict | list | tuple) for value in tasks.to_numpy().ravel())
    assert job.metrics(per="operator")["operators"].tolist()[0].startswith("source_0")


@pytest.mark.parametrize("per", ["task", "operator", "edge", "channel", "history"])
def test_metrics_of_a_job_that_waits_have_their_columns(endless: sb.Stream, per: str) -> None:
    endless.run("holder", parallelism=8)
    frame = endless.filter(col("value") > 5).run("waiting").metrics(per=per)
    assert len(frame.columns) >= 6


def test_unknown_metrics_name_those_there_are(endless: sb.Stream) -> None:
    with pytest.raises(errors.JobError, match="'task', 'operator', 'edge', 'channel' or 'history'"):
        endless.run("asked").metrics(per="row")


def test_history_goes_on_in_seconds(endless: sb.Stream) -> None:
    job = endless.run("remembered")
    while (history := job.metrics(per="history"))["time"].nunique() < 2:
        assert not job.wait_changed(timeout=0.1)
    assert history["time"].diff().dropna().dt.total_seconds().max() >= 1


def test_a_paused_job_says_so_until_it_goes_on(endless: sb.Stream) -> None:
    job = endless.run("nap")
    job.pause()
    assert job.status.paused
    assert repr(job.status).startswith("nap PAUSED: ")
    job.resume()
    assert not job.status.paused


def test_why_reads_as_a_sentence(endless: sb.Stream) -> None:
    job = endless.run("asked")
    job.pause()
    assert "paused" in repr(job.why())
    assert job.why().kind == "paused"


def test_a_probe_gives_the_last_rows_as_a_frame(endless: sb.Stream) -> None:
    job = endless.with_columns(k=col("value") % 2).partition_by("k").filter(col("k") == 1).run("probed")
    while (rows := job.probe("filter", rows=3)).empty:  # each waits for some seconds at most
        assert not job.wait_changed(timeout=0)
    assert rows["k"].tolist() == [1] * len(rows)
    assert len(rows) <= 3
    assert (rows.attrs["operator"], rows.attrs["seen"] > 0) == ("filter_0", True)


def test_a_probe_of_nothing_names_what_there_is(endless: sb.Stream) -> None:
    with pytest.raises(errors.JobError, match="has no operator 'nothing'; choose one of: source_0, "):
        endless.run("asked").probe("nothing")
