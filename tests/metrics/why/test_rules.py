"""The finding of a job, by its metrics."""

from dataclasses import replace
from pathlib import Path

import pytest
import recordings
from figures import NOW, edge, failure, job, vertex

from sabotnb.metrics import Latency, Throughput
from sabotnb.metrics.why import why

SOURCE = vertex("source_0", "source", busy=0.1, blocked=0.9)
IDLE_SINK = vertex("sink_0", "sink", busy=0.02)
LONG = "x" * 10_000
PER_ROW = "is the bottleneck: its only task is busy 95 % of the time in a Python function called for each row"
SCORE = (
    "score is the bottleneck: its 2 tasks are busy 100 % of the time in a Python function, and 15 MB of rows wait in "
    "its queue."
)
BURSTS = (
    "source_0 is backpressured 90 % of the time, but nothing downstream is busy: rows come in bursts, or the "
    "connection between workers is slow."
)
RATE = "source_0 emits about 1,000 rows per second and mostly waits for input; everything downstream keeps up."
PER_BATCH = ".map_batches(...) calls the function once per batch, not once per row"
REPLACED = failure("job 'late' was replaced by a newer run", "", "JobReplaced")


def finding_of(metrics):
    finding = why(metrics)
    return finding.kind, finding.operator, finding.sentence, finding.advice


@pytest.mark.parametrize(
    ("metrics", "sentence", "advice"),
    [
        (job(state="FINISHED"), "The job has finished: 336,776 rows in, 16 rows out.", ""),
        (job(state="CANCELED"), "The job was canceled.", ".run() starts it again"),
        (
            job(state="CANCELED", commits=True),
            "The job was canceled and its output removed.",
            ".run() starts it again",
        ),
        (
            job(state="CANCELED", commits=True, bounded=True, checkpointed=1.0),
            "The job was canceled; its output up to the last checkpoint is kept, and later output was removed.",
            ".run() starts it again",
        ),
        (
            job(state="CANCELED", commits=True, bounded=False, checkpointed=1.0),
            "The job was canceled; its output up to the last checkpoint stays, and later output was removed.",
            ".run() starts it again",
        ),
        (
            job(state="CANCELED", commits=True, started=None),
            "The job was canceled before it started.",
            ".run() starts it again",
        ),
        (
            job(state="CANCELED", commits=True, error=REPLACED),
            "A newer run has replaced this one.",
            "sb.attach('late') is the newer run",
        ),
        (job(state="CANCELING"), "The job is being canceled.", ""),
        (job(state="COMMITTING"), "All rows are processed; the output is being committed.", ""),
        (job(vertex("map", "map", state="FINISHED")), "All tasks are done; the job is about to end.", ""),
        (job(SOURCE, IDLE_SINK, stopping=True), "The job is stopping: rows already read are processed.", ""),
        (
            job(SOURCE, IDLE_SINK, stopping=True, commits=True),
            "The job is stopping: rows already read are processed, then the output is committed.",
            "",
        ),
    ],
)
def test_jobs_that_end_or_have_ended(metrics, sentence, advice):
    assert finding_of(metrics) == ("ended", "", sentence, advice)


@pytest.mark.parametrize(
    ("metrics", "finding"),
    [
        (
            job(vertex("map_rows_0", "map_rows*"), error=failure("ValueError: bad row\nmore"), state="FAILED"),
            ("failed", "map_rows_0", "map_rows_0 failed: ValueError: bad row", 'on_error="side" sets such rows aside'),
        ),
        (
            job(
                vertex("agg", "aggregate"), error=failure("agg: overflow", "agg", "UserFunctionError"), state="FAILING"
            ),
            ("failed", "agg", "agg: overflow", ""),
        ),
        (
            job(error=failure("agent-1 was lost", "", "AgentLost"), state="FAILED"),
            ("failed", "", "agent-1 was lost", ""),
        ),
        (
            job(state="FAILED"),
            ("failed", "", "The job failed without a reason: see the worker logs.", ""),
        ),
    ],
)
def test_jobs_that_failed(metrics, finding):
    assert finding_of(metrics) == finding


@pytest.mark.parametrize(
    ("metrics", "kind", "sentence", "advice"),
    [
        (
            job(state="PENDING", waits="needs 4 slots, 2 free (job 'planes' holds 2)", waits_for="slots"),
            "waiting",
            "The job needs 4 slots, 2 free (job 'planes' holds 2).",
            "sb.jobs() shows which jobs hold slots; env.scale(n) adds workers",
        ),
        (
            job(state="PENDING", waits="waits for the previous run of 'late' to end", waits_for="previous run"),
            "waiting",
            "The job waits for the previous run of 'late' to end.",
            "",
        ),
        (
            job(vertex("a", "source", tasks=2), vertex("b", "sink", tasks=2, state="DEPLOYING"), state="DEPLOYING"),
            "starting",
            "2 of 4 tasks are ready; sources start reading when all are.",
            "",
        ),
        (
            job(replace(SOURCE, load=replace(SOURCE.load, busy=0.0, idle=0.0, backpressured=0.0))),
            "starting",
            "The job has just started: no metrics yet.",
            "",
        ),
        (
            job(SOURCE, IDLE_SINK, paused=True),
            "paused",
            "The job is paused: its sources are not reading.",
            "sb.attach('late').resume()",
        ),
    ],
)
def test_jobs_that_do_not_run(metrics, kind, sentence, advice):
    assert finding_of(metrics) == (kind, "", sentence, advice)


@pytest.mark.parametrize(
    ("root", "operator", "doing", "advice"),
    [
        (
            vertex("slow", "map_rows*", busy=0.97),
            "slow",
            f"slow {PER_ROW}",
            PER_BATCH,
        ),
        (
            vertex("slow", "map*", busy=0.97, tasks=2),
            "slow",
            "slow is the bottleneck: its 2 tasks are busy 95 % of the time in a Python function",
            '.named("slow", parallelism=4)',
        ),
        (
            vertex("filter_0", "filter map* select", busy=0.8),
            "map_1",
            "map_1 is the bottleneck: its only task is busy 80 % of the time in a Python function",
            '.named("map_1", parallelism=2)',
        ),
        (
            vertex("agg", "aggregate", busy=0.99, tasks=4),
            "agg",
            "agg is the bottleneck: its 4 tasks are busy 100 % of the time",
            '.named("agg", parallelism=8)',
        ),
        (
            vertex("sort_0", "sort", busy=0.9),
            "sort_0",
            "sort_0 is the bottleneck: its only task is busy 90 % of the time",
            ".top(n, by=...) instead of .sort(...) keeps n rows only",
        ),
        (
            vertex(LONG, "aggregate", busy=0.9),
            LONG,
            f"{'x' * 47}… is the bottleneck: its only task is busy 90 % of the time",
            ".named(parallelism=2)",
        ),
    ],
)
def test_a_busy_vertex_that_others_wait_for_is_the_bottleneck(root, operator, doing, advice):
    assert finding_of(job(SOURCE, root, IDLE_SINK)) == (
        "busy",
        operator,
        f"{doing}, and source_0 waits for it.",
        advice,
    )


def phase(shown):
    """The vertex with its last operator as the first phase of ``window_0``."""
    return replace(shown, operators=(*shown.operators[:-1], replace(shown.operators[-1], part_of="window_0")))


PARTIAL = phase(vertex("window_0_partial", "window", busy=0.99, tasks=4))
CHAINED = phase(vertex("filter_0", "filter window!", busy=0.99, tasks=4))
BUSY = "window_0 is the bottleneck: its 4 tasks are busy 100 % of the time"


@pytest.mark.parametrize(
    ("metrics", "sentence", "advice"),
    [
        (job(SOURCE, PARTIAL, IDLE_SINK), f"{BUSY}, and source_0 waits for it.", ".run(parallelism=8)"),
        (job(SOURCE, CHAINED, IDLE_SINK), f"{BUSY}, and source_0 waits for it.", '.named("filter_0", parallelism=8)'),
        (
            job(phase(vertex("window_0_partial", "window", busy=0.1, blocked=0.9)), vertex("window_0", "window", 0.95)),
            "window_0 is the bottleneck: its only task is busy 95 % of the time, and its first phase waits for it.",
            '.named("window_0", parallelism=2)',
        ),
        (
            job(vertex("source_0", "source", busy=0.4), phase(vertex("window_0_partial", "window", busy=0.5))),
            "No bottleneck: the busiest operator, window_0, is busy 50 % of the time.",
            "",
        ),
    ],
)
def test_a_first_phase_has_the_name_that_the_user_wrote(metrics, sentence, advice):
    finding = why(metrics)
    assert (finding.sentence, finding.advice) == (sentence, advice)
    assert finding.operator in ("window_0", "")


def test_a_sink_that_writes_too_slowly():
    assert finding_of(job(SOURCE, vertex("sink_0", "sink", busy=0.9))) == (
        "sink",
        "sink_0",
        "sink_0 is the bottleneck: its only task is busy 90 % of the time writing, and source_0 waits for it.",
        '.named("sink_0", parallelism=2)',
    )


def test_a_gather_edge_needs_fewer_rows_not_more_tasks():
    gathered = job(SOURCE, vertex("total", "aggregate", busy=0.9), edge("source_0", "total", "gather"))
    assert why(gathered).advice == ".filter(...) before it leaves it fewer rows: one task has to take them all"


@pytest.mark.parametrize(
    ("sink", "processes"),
    [
        (vertex("sink_0", "sink", busy=0.1, blocked=0.8), "This notebook fetches"),
        (vertex("sink_0", "sink*", busy=0.1, blocked=0.8), "The callback in this notebook processes"),
    ],
)
@pytest.mark.parametrize("above", [(), (SOURCE,), (SOURCE, vertex("agg", "aggregate", busy=0.5, blocked=0.5))])
def test_a_backpressured_sink_waits_for_the_notebook(above, sink, processes):
    assert finding_of(job(*above, sink)) == (
        "sink",
        "sink_0",
        f"{processes} rows of sink_0 more slowly than they arrive, and everything upstream waits for it.",
        '.sink_parquet("rows") writes on the workers; .sink_live() keeps the last rows and never blocks',
    )


@pytest.mark.parametrize(
    ("way", "keys", "shares", "cause"),
    [
        (
            "hash",
            ["tail", "day"],
            [0.1, 0.1, 0.7, 0.1],
            "gets 70 % of the rows; one (tail, day) key is hot, or there are too few distinct keys.",
        ),
        (
            "hash",
            ["tail"],
            [0.1, 0.1, 0.7, 0.1],
            "gets 70 % of the rows; one tail key is hot, or there are too few distinct keys.",
        ),
        ("rebalance", [], [0.1, 0.1, 0.7, 0.1], "gets 70 % of the rows; they are spread unevenly."),
        (
            "hash",
            ["tail"],
            [0.25] * 4,
            "is busy 95 % of the time and the others wait, although rows are spread evenly.",
        ),
        ("hash", ["tail"], [], "is busy 95 % of the time and the others wait."),
    ],
)
def test_one_task_that_has_all_the_work(way, keys, shares, cause):
    hot = vertex("agg", "aggregate", busy=0.3, busiest=0.96, task=2, tasks=4)
    finding = why(job(SOURCE, hot, edge("source_0", "agg", way, keys, shares)))
    assert (finding.kind, finding.operator) == ("skew", "agg")
    assert finding.sentence == f"agg is the bottleneck: task 2 of 4 {cause}"
    assert finding.advice.startswith("job.probe('agg') shows ")


@pytest.mark.parametrize(
    ("skew", "task", "cause"),
    [
        (2.8, 2, "gets 70 % of the rows; one auction key is hot, or there are too few distinct keys."),
        (1.1, 0, "is busy 95 % of the time and the others wait, although rows are spread evenly."),
        (2.8, 0, "is busy 95 % of the time and the others wait."),
        (None, 0, "is busy 95 % of the time and the others wait."),
    ],
)
def test_one_task_of_a_join_that_has_all_the_work(skew, task, cause):
    hot = vertex("join_0", "join", busy=0.3, busiest=0.96, task=2, tasks=4, skew=skew, skew_task=task)
    items = vertex("items", "source", state="FINISHED")
    into = [edge(up, "join_0", "hash", ["auction"]) for up in ("source_0", "items")]
    assert why(job(SOURCE, items, hot, *into)).sentence == f"join_0 is the bottleneck: task 2 of 4 {cause}"


def test_tasks_are_skewed_only_if_the_others_have_spare_time():
    half = vertex("agg", "aggregate", busy=0.5, busiest=0.98, tasks=4)
    assert why(job(SOURCE, half, edge("source_0", "agg", "hash", ["tail"], [0.4, 0.4, 0.1, 0.1]))).kind == "skew"
    most = replace(half, load=replace(half.load, busy=0.7, idle=0.3))
    assert why(job(SOURCE, most, edge("source_0", "agg", "hash", ["tail"], [0.3, 0.3, 0.2, 0.2]))).kind == "busy"


ROOTS = {
    "the first busy vertex downstream": ([(0.1, 0.9), (0.95, 0.0), (0.3, 0.0), (0.1, 0.0)], 1),
    "behind a vertex that waits itself": ([(0.1, 0.9), (0.2, 0.8), (0.9, 0.05), (0.1, 0.0)], 2),
    "behind a vertex that waits a little": ([(0.1, 0.8), (0.65, 0.2), (0.95, 0.0), (0.1, 0.0)], 2),
    "not behind a vertex that is busier": ([(0.2, 0.8), (0.7, 0.3), (0.4, 0.0), (0.1, 0.0)], 1),
    "not above the vertex that waits most": ([(0.9, 0.1), (0.2, 0.8), (0.9, 0.0), (0.1, 0.0)], 2),
}


@pytest.mark.parametrize(("loads", "root"), ROOTS.values(), ids=ROOTS)
def test_the_root_of_backpressure_is_where_it_ends(loads, root):
    kinds = ["source", "map", "aggregate", "sink"]
    names = ["read", "clean", "agg", "write"]
    chain = [vertex(*named, *load) for *named, load in zip(names, kinds, loads, strict=True)]
    finding = why(job(*chain))
    assert (finding.kind, finding.operator) == ("busy", names[root])


def test_of_two_downstream_vertices_the_full_one_is_the_root():
    fork = [SOURCE, vertex("quick", "map*", busy=0.2), vertex("slow", "map*", busy=0.9)]
    assert why(job(*fork, edge("source_0", "quick"), edge("source_0", "slow"))).operator == "slow"


@pytest.mark.parametrize("below", [vertex("agg", "aggregate", busy=0.3), vertex("agg", "aggregate", state="FINISHED")])
def test_backpressure_without_a_busy_vertex_has_an_unknown_cause(below):
    assert finding_of(job(SOURCE, below)) == (
        "unknown",
        "source_0",
        BURSTS,
        'job.metrics(per="channel") shows where rows queue',
    )


@pytest.mark.parametrize(
    ("parts", "finding"),
    [
        (
            [vertex("source_0", "source", busy=0.95), vertex("agg", "aggregate", busy=0.2)],
            (
                "busy",
                "source_0",
                "source_0 reads as fast as it can, and everything downstream keeps up.",
                '.named("source_0", parallelism=2) reads more files at once',
            ),
        ),
        (
            [vertex("source_0", "source* select sink*", busy=0.95)],
            (
                "busy",
                "source_0",
                "source_0 reads as fast as it can, and everything downstream keeps up.",
                "yield record batches instead of dicts",
            ),
        ),
        (
            [vertex("source_0", "source map_rows*", busy=0.95), IDLE_SINK],
            (
                "busy",
                "map_rows_1",
                f"map_rows_1 {PER_ROW}, and everything downstream waits for it.",
                PER_BATCH,
            ),
        ),
        (
            [vertex("source_0", "source", busy=0.05), vertex("agg", "aggregate", busy=0.9)],
            (
                "even",
                "agg",
                "agg is busy 90 % of the time: it keeps up, but has little headroom.",
                '.named("agg", parallelism=2)',
            ),
        ),
        (
            [
                vertex("source_0", "source", busy=0.05),
                vertex("score", "map*", busy=1.0, tasks=2, fill=0.56, queued=15_400_000),
            ],
            (
                "busy",
                "score",
                SCORE,
                '.named("score", parallelism=4)',
            ),
        ),
        (
            [vertex("source_0", "source", state="FINISHED"), vertex("agg", "aggregate", busy=0.9)],
            (
                "busy",
                "agg",
                "agg is the bottleneck: its only task is busy 90 % of the time, and the sources have no more rows.",
                '.named("agg", parallelism=2)',
            ),
        ),
        (
            [vertex("source_0", "source", busy=0.05), vertex("agg", "aggregate", busy=0.1)],
            (
                "source",
                "source_0",
                RATE,
                "",
            ),
        ),
        (
            [vertex("source_0", "source", busy=0.45), vertex("agg", "aggregate", busy=0.5)],
            ("even", "", "No bottleneck: the busiest operator, agg, is busy 50 % of the time.", ""),
        ),
    ],
)
def test_jobs_without_backpressure(parts, finding):
    assert finding_of(job(*parts)) == finding


def test_a_source_with_fewer_splits_than_tasks_needs_a_rebalance():
    one_split = replace(vertex("source_0", "source map*", busy=0.9, tasks=2), states={"RUNNING": 1, "FINISHED": 1})
    finding = why(job(one_split))
    assert "map_1 is the bottleneck: 1 of its 2 tasks is busy 90 %" in finding.sentence
    assert finding.advice == ".rebalance() before it spreads the rows over all of its 2 tasks"
    reading = replace(vertex("source_0", "source filter", busy=0.9, tasks=2), states=one_split.states)
    assert why(job(reading)).advice == ""


@pytest.mark.parametrize(
    ("chain", "operator", "name"),
    [
        ("map*! map*", "score", "score is the bottleneck"),
        ("map* map*!", "map_1", "map_1 is the bottleneck"),
        ("map* aggregate!", "aggregate_1", "aggregate_1 is the bottleneck"),
    ],
)
def test_the_operator_of_a_chain_that_takes_most_time_is_named(chain, operator, name):
    finding = why(job(SOURCE, vertex("score", chain, busy=0.95)))
    assert (finding.operator, finding.sentence.partition(":")[0]) == (operator, name)
    assert f'"{operator}"' in finding.advice


def test_an_operator_chained_to_a_source_is_named():
    finding = why(job(vertex("source_0", "source select!", busy=0.95), IDLE_SINK))
    assert (finding.kind, finding.operator) == ("busy", "select_1")


BEHIND = {
    "by the rate of rows": ({"into": Throughput(rows_rate=1500)}, 5000, "rows arrive faster than it takes them"),
    "by the latency": ({"latency": Latency(61.0, 70.0)}, 0, "rows take 61 s to get through"),
    "by the queue": ({"fill": 0.3, "queued": 9 << 20}, 0, "9 MB of rows wait in its queue"),
}


@pytest.mark.parametrize(("changes", "rate", "behind"), BEHIND.values(), ids=BEHIND)
def test_a_vertex_that_falls_behind_is_the_bottleneck(changes, rate, behind):
    slow = vertex("score", "map*", busy=1.0, tasks=2, **changes)
    quiet = vertex("source_0", "source", busy=0.05)
    assert finding_of(job(quiet, slow, edge("source_0", "score", rate=rate)))[2:] == (
        f"score is the bottleneck: its 2 tasks are busy 100 % of the time in a Python function, and {behind}.",
        '.named("score", parallelism=4)',
    )
    hot = replace(slow, load=replace(slow.load, busy=0.5, idle=0.5))
    finding = why(job(quiet, hot, edge("source_0", "score", "hash", ["k"], [0.99, 0.01], rate=rate)))
    assert (finding.kind, finding.advice) == ("skew", "job.probe('score') shows the most frequent keys")


def test_a_hot_key_without_a_queue_is_not_a_bottleneck():
    hot = replace(vertex("score", "map*", busy=0.5, tasks=2), busiest=0.9, into=Throughput(rows_rate=990))
    quiet = vertex("source_0", "source", busy=0.05)
    finding = why(job(quiet, hot, edge("source_0", "score", "hash", ["k"], [0.99, 0.01], rate=1000)))
    assert (finding.kind, finding.advice) == ("even", "job.probe('score') shows the most frequent keys")


def taking(name, chain, rows, *, out=0, **more):
    """A vertex with ``rows`` rows in and ``out`` rows behind its last operator."""
    plain = vertex(name, chain, busy=0.1, into=Throughput(rows=rows, rows_rate=100.0), **more)
    *first, last = plain.operators
    return replace(plain, operators=(*(replace(operator, rows=rows) for operator in first), replace(last, rows=out)))


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (
            [taking("source_0", "source filter", 1000), taking("sink_0", "sink", 0)],
            "filter_1 lets through none of the 1,000 rows",
        ),
        (
            [taking("source_0", "source", 1000, out=1000), taking("by_k", "aggregate", 1000)],
            "by_k emits its result when",
        ),
        ([taking("source_0", "source", 9, out=9), taking("join_0", "join", 9)], "join_0 matches none of the 9 rows"),
        ([taking("source_0", "source", 9, out=9), taking("flat", "map*", 9)], "flat returns nothing for the 9 rows"),
    ],
)
def test_a_job_without_output_names_the_operator_where_rows_end(parts, sentence):
    silent = job(*parts, rows_out=Throughput())
    assert sentence in why(silent).sentence
    assert why(silent).sentence.startswith("No rows yet: ")
    assert why(silent).advice in ("job.probe('source_0') shows them", "job.progress() shows how much is left")
    assert why(replace(silent, started=NOW - 1)).kind == "source"
    assert why(replace(silent, rows_out=Throughput(rows=1))).kind == "source"


@pytest.mark.parametrize(
    ("bounded", "progress", "words"),
    [
        (True, 0.25, "The job was stopped after 25 % of its input"),
        (True, 0.0005, "The job was stopped after less than 1 % of its input"),
        (True, 1.0, "The job was stopped"),
        (False, None, "The job was stopped"),
    ],
)
def test_a_stopped_job_says_how_much_it_has_read(bounded, progress, words):
    stopped = job(state="FINISHED", stopping=True, bounded=bounded, progress=progress)
    assert why(stopped).sentence == f"{words}: 336,776 rows in, 16 rows out."


def test_silent_sources():
    quiet = [vertex("bids", "source", idle_since=NOW - 12), vertex("asks", "source", idle_since=NOW - 300)]
    both = [*quiet, vertex("union_0", "union sink"), edge("bids", "union_0"), edge("asks", "union_0")]
    still = job(*both, rows_in=Throughput(336_776))
    assert finding_of(still) == (
        "idle",
        "bids",
        "No rows from bids and asks for 12 s; everything read so far is processed.",
        "",
    )
    one_silent = replace(still, vertices=(quiet[0], replace(quiet[1], idle_since=None), still.vertices[2]))
    assert why(one_silent).kind == "source"


def test_a_silent_source_that_holds_the_watermark():
    bids = vertex("bids", "source", busy=0.05, watermark=60_000_000)
    asks = vertex("asks", "source", busy=0.0, watermark=18_000_000, idle_since=NOW - 12)
    joined = vertex("join_0", "join", busy=0.1, watermark=18_000_000)
    held = job(bids, asks, joined, edge("bids", "join_0"), edge("asks", "join_0"))
    assert finding_of(held) == (
        "watermark",
        "asks",
        "The watermark is held back by asks, which has emitted no rows for 12 s and is 42 s of event time behind.",
        'idle="5s" on its source lets the watermark advance without it',
    )
    advanced = replace(held, vertices=(bids, asks, replace(joined, watermark=50_000_000)))
    assert why(advanced).kind == "source"


RECORDED = {
    "slow_function": ("busy", "hashed"),
    "hot_key": ("skew", "score"),
    "even_keys": ("busy", "score"),
    "slow_callback": ("sink", "sink_0"),
    "rate": ("source", "source_0"),
    "reading": ("busy", "filter_0"),
    "one_split": ("busy", "burnt"),
    "some_work": ("even", ""),
    "paused": ("paused", ""),
    "finished": ("ended", ""),
    "failed": ("failed", "map_rows_0"),
}


@pytest.mark.parametrize(("name", "expected"), RECORDED.items(), ids=RECORDED)
@pytest.mark.parametrize("noise", [-0.04, 0.0, 0.04])
def test_recorded_metrics_of_real_jobs(name, expected, noise):
    """``record.py`` has recorded them."""
    metrics = recordings.read(Path(__file__).parents[1] / "recordings" / f"{name}.json")
    finding = why(replace(metrics, vertices=tuple(with_noise(vertex, noise) for vertex in metrics.vertices)))
    assert (finding.kind, finding.operator) == expected
    assert len(finding.sentence) < 200


def with_noise(vertex, by):
    """Change the busy and backpressured shares of a vertex a little."""
    busy, blocked = (min(1.0, max(0.0, share + by)) for share in (vertex.load.busy, vertex.load.backpressured))
    load = replace(vertex.load, busy=busy, backpressured=blocked, idle=max(0.0, 1 - busy - blocked))
    return replace(vertex, load=load, busiest=min(1.0, max(busy, vertex.busiest + by)))
