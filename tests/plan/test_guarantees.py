import pytest

import sabotnb as sb
from sabotnb.api.running.lowering import lower
from sabotnb.plan import can_resume, guarantees

TABLE = sb.Stream.from_rows([{"x": 1}])
RATE = sb.Stream.from_rate(10)


def graph_of(stream):
    return lower([stream.target.flow]).graph


def rows(*, replayable):
    return sb.Stream.from_generator(lambda: iter(()), {"x": "int64"}, replayable=replayable)


@pytest.mark.parametrize(
    ("sink", "checkpoints", "promise"),
    [
        (
            lambda: sb.Stream.from_rows([{"x": 1}]).sink_parquet("out"),
            True,
            "files: exactly once, all of them at the end",
        ),
        (
            lambda: sb.Stream.from_rate(10).sink_parquet("out"),
            True,
            "files: exactly once, new ones with every checkpoint",
        ),
        (
            lambda: sb.Stream.from_rate(10).sink_parquet("out"),
            False,
            "files: whole or not at all, when the job is stopped",
        ),
        (lambda: rows(replayable=True).sink_parquet("out"), True, "files: exactly once, all of them at the end"),
        (
            lambda: rows(replayable=False).sink_parquet("out"),
            True,
            (
                "files: whole or not at all, all of them at the end; a lost worker: the job begins again, and rows "
                "that source_0 does not read again are lost"
            ),
        ),
        (lambda: sb.Stream.from_rate(10).sink_callback(print), True, "callback: at least once"),
        (lambda: rows(replayable=False).sink_callback(print), True, "callback: each batch once; the job fails"),
        (lambda: rows(replayable=False).sink_live(), True, "live rows: the job fails"),
        (RATE.sink_live, True, "live rows: those after the last checkpoint are taken back"),
    ],
)
def test_the_promise_depends_on_sources_sinks_and_checkpoints(sink, checkpoints, promise):
    (guarantee,) = guarantees(graph_of(sink()), checkpoints=checkpoints)
    assert str(guarantee).startswith(promise)


@pytest.mark.parametrize(
    ("other", "checkpoints", "failure"),
    [
        ("sink_live", True, "a lost worker: the job goes on from the last checkpoint"),
        ("sink_live", False, "a lost worker: the job fails"),
    ],
)
def test_files_of_a_job_whose_rows_a_client_takes_depend_on_checkpoints(tmp_path, other, checkpoints, failure):
    stream = sb.Stream.from_rows([{"x": 1}])
    sinks = [stream.sink_csv(tmp_path), getattr(stream, other)()]
    files, _live = guarantees(lower([sink.target.flow for sink in sinks]).graph, checkpoints=checkpoints)
    assert (files.promise, files.failure) == ("files: exactly once, all of them at the end", failure)


def test_a_source_that_can_be_read_only_once_is_named():
    endless = sb.Stream.from_generator(lambda: iter(()), {"x": "int64"}, bounded=False)
    (guarantee,) = guarantees(graph_of(endless.sink_csv("out")))
    assert "(source_0 can be read only once)" in guarantee.failure


def test_each_kind_of_output_has_one_sentence(tmp_path):
    two = [sb.Stream.from_rate(10).sink_csv(tmp_path / name) for name in ("a", "b")]
    graph = lower([sink.target.flow for sink in two]).graph
    assert len(guarantees(graph)) == 1


def test_followed_folders_can_go_on_at_a_position(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    followed = sb.Stream.from_csv(tmp_path, follow=True)
    assert can_resume(graph_of(followed.sink_parquet("out")))
    assert not can_resume(graph_of(rows(replayable=False).sink_parquet("out")))


def test_explain_of_a_sink_ends_with_its_promise(tmp_path):
    text = sb.Stream.from_rows([{"x": 1}]).sink_parquet(tmp_path).explain()
    assert text.splitlines()[-2:][0] == "== guarantees =="
    assert text.splitlines()[-1].startswith("files: exactly once")
