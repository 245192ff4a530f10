"""Sinks of endless streams say when their output appears."""

import re
import warnings
from pathlib import Path

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import errors

ENDLESS = "the input is endless and the job takes no checkpoints, so files appear when the job ends: job.stop() ends it"


@pytest.mark.parametrize("sink", ["sink_parquet", "sink_csv", "sink_json", "sink_ipc"])
def test_a_file_sink_of_an_endless_stream_says_when_files_appear(sink: str, tmp_path) -> None:
    once = sb.Stream.from_generator(lambda: iter(()), {"x": "int64"}, bounded=False)
    assert repr(getattr(once, sink)(tmp_path)).endswith(f"not started, add .run(); {ENDLESS}")
    assert repr(getattr(sb.Stream.from_rate(10), sink)(tmp_path)).endswith("not started, add .run()")
    assert repr(getattr(sb.Stream.from_rate(10, n=5), sink)(tmp_path)).endswith("not started, add .run()")


RUNS = (
    lambda sink: sink.run("alone", checkpoint=None),
    lambda sink: sb.run("one of two", sink, checkpoint=None),
)


@pytest.mark.cluster
def test_running_it_warns_at_the_line_that_runs_it(tmp_path) -> None:
    with sb.local(workers=1):
        endless, bounded = sb.Stream.from_rate(10), sb.Stream.from_rate(100, n=5)
        for number, run in enumerate(RUNS):
            out = tmp_path / str(number)
            with pytest.warns(UserWarning, match=re.escape(f"{out}: {ENDLESS}")) as caught:
                job = run(endless.sink_parquet(out))
            assert caught[0].filename == __file__
            job.stop()
            job.wait(timeout=60)
            assert len(list(out.glob("*.parquet"))) == 1
        with warnings.catch_warnings(action="error"), pytest.raises(sb.errors.GraphError):
            endless.group_by("value").agg(n=sb.count()).sink_parquet(tmp_path / "never").run("never")
        with warnings.catch_warnings(action="error"):
            bounded.sink_parquet(tmp_path / "bounded").run("bounded").wait(timeout=60)
            endless.sink_live().run("live").cancel()


def test_a_column_without_a_name_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(errors.SchemaError, match="rename it first"):
        sb.Stream.from_arrow(pa.table({"v": [1], "": ["x"]})).sink_parquet(tmp_path / "out", partition_by="")
