import os

from sabotnb.cluster import detached_process
from sabotnb.cluster.detached_process import bound_log


def test_a_log_that_became_too_long_is_emptied(tmp_path, monkeypatch):
    monkeypatch.setattr(detached_process, "MOST_LOG_BYTES", 1000)
    with (tmp_path / "cluster.log").open("ab", buffering=0) as log:
        log.write(b"x" * 1000)
        bound_log(log.fileno())
        assert (tmp_path / "cluster.log").read_bytes() == b"x" * 1000
        log.write(b"y")
        bound_log(log.fileno())
        log.write(b"next\n")
    assert (tmp_path / "cluster.log").read_text() == "(this log had more than 1,000 bytes, and was emptied)\nnext\n"


def test_a_pipe_is_left_alone():
    reader, writer = os.pipe()
    os.write(writer, b"x")
    bound_log(writer)
    bound_log(-1)
    assert os.read(reader, 10) == b"x"
    os.close(reader)
    os.close(writer)
