"""Tracebacks of what users did wrong: their own lines, and nothing of how sabotnb found it."""

import traceback

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.api.stream_node import StreamPlan
from sabotnb.graph import StreamType


def raised(write):
    """The exception of ``write()``."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is the test's business
        write()
    return caught.value


def files(error):
    """The files in the traceback of ``error`` behind the line of this module that called it."""
    frames = [frame.filename.rpartition("/")[2] for frame in traceback.extract_tb(error.__traceback__)]
    return frames[frames.index("test_boundary.py", 1) + 1 :]


def divided(batch):
    return halved(batch, 0)


def halved(batch, by):
    return batch.num_rows // by


def test_one_frame_of_sabotnb_is_left(flights):
    assert files(raised(lambda: flights.filter(col("dealy") > 15))) == ["boundary.py"]
    assert files(raised(lambda: sb.Stream.from_parquet("nothing.parquet"))) == ["boundary.py"]
    assert files(raised(lambda: sb.union(flights, flights.drop("delay")))) == ["boundary.py"]
    assert files(raised(lambda: flights.sink_parquet("out").run())) == ["boundary.py"]


def test_of_the_users_own_exception_the_users_frames_are_left(flights):
    error = raised(lambda: flights.map_batches(divided))
    assert files(error) == ["boundary.py"]
    cause = traceback.extract_tb(error.__cause__.__traceback__)
    assert [frame.name for frame in cause] == ["divided", "halved"]


def test_a_librarys_exception_is_one_line(tmp_path):
    broken = tmp_path / "cut.parquet"
    broken.write_bytes(b"PAR1 and no more")
    cause = raised(lambda: sb.Stream.from_parquet(broken)).__cause__
    assert isinstance(cause, pa.ArrowInvalid)
    assert cause.__traceback__ is None


def test_a_defect_shows_everything(flights):
    error = raised(lambda: sb.Stream(StreamPlan(None, StreamType(flights.schema))).explain())
    assert isinstance(error, AttributeError)
    assert len(files(error)) > 1


def test_everything_is_shown_on_demand(flights, monkeypatch):
    monkeypatch.setenv("SABOTNB_FULL_TRACEBACKS", "1")
    assert len(files(raised(lambda: flights.drop("dealy")))) > 2


def test_wrapped_members_keep_their_contracts():
    assert sb.Stream.filter.__doc__.startswith("Keep")
    assert sb.Job.status.__doc__.startswith("What the job is doing")
    assert sb.local.__annotations__["detached"] == "bool"
