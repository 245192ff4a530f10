import pytest

from sabotnb import connectors


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.csv").write_text("n\n1\n2\n")
    return tmp_path


def rows(reader):
    polled = reader.poll(100)
    return None if polled is None else polled[0]["n"].to_pylist()


@pytest.mark.parametrize("pattern", ["", "*.csv"])
def test_new_files_are_read_once_when_they_stopped_growing(folder, clock, pattern):
    spec = connectors.csv(folder / pattern, follow=True)
    assert (spec.bounded, spec.replayable) == (False, False)
    source = connectors.source(spec, clock)
    (split,) = source.splits()
    reader = source.open(split)
    assert rows(reader) == [1, 2]
    assert rows(reader) is None
    (folder / "c.csv").write_text("n\n5\n")
    (folder / "b.csv").write_text("n\n3")
    (folder / "_b.csv.tmp").write_text("n\n99\n")
    clock.now += 1
    assert rows(reader) is None  # seen for the first time
    (folder / "b.csv").write_text("n\n3\n4\n")
    clock.now += 1
    assert rows(reader) == [5]
    assert rows(reader) is None
    clock.now += 1
    assert rows(reader) == [3, 4]
    clock.now += 5
    assert rows(reader) is None
    reader.close()


def test_nobody_looks_more_than_once_a_second(folder, clock):
    source = connectors.source(connectors.csv(folder, follow=True), clock)
    reader = source.open(source.splits()[0])
    assert rows(reader) == [1, 2]
    (folder / "b.csv").write_text("n\n3\n")
    for tenths in range(1, 10):
        clock.now += 0.1
        assert rows(reader) is None
        assert reader.due() == pytest.approx(1.1 - tenths / 10)  # the first poll began the second
    clock.now += 1
    assert rows(reader) is None
    clock.now += 1
    assert rows(reader) == [3]
