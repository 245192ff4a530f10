import threading

import pytest

from sabotnb.cache import cache_root, data_root, write_once


def test_the_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "sabotnb"


def test_a_folder_is_made_once(tmp_path):
    write_once(tmp_path / "a" / "b", lambda folder: (folder / "x").write_text("first"))
    write_once(tmp_path / "a" / "b", lambda folder: (folder / "x").write_text("second"))
    assert (tmp_path / "a" / "b" / "x").read_text() == "first"


def test_a_failed_write_leaves_nothing(tmp_path):
    def fail(folder):
        (folder / "half").write_text("x")
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        write_once(tmp_path / "b", fail)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_file_system_comes_through(tmp_path):
    def fail(folder):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write_once(tmp_path / "b", fail)
    assert list(tmp_path.iterdir()) == []


def test_of_two_writers_at_once_the_first_stands(tmp_path):
    both_write = threading.Barrier(2)

    def write(folder):
        both_write.wait()
        for name in ("x", "y"):
            (folder / name).write_text(threading.current_thread().name)

    writers = [threading.Thread(target=write_once, args=(tmp_path / "b", write), name=f"w{i}") for i in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b" / "x").read_text() == (tmp_path / "b" / "y").read_text()


def test_the_data_folder_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("SABOTNB_DATA", str(tmp_path / "here"))
    assert data_root() == tmp_path / "here"
    monkeypatch.delenv("SABOTNB_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_root() == tmp_path / "sabotnb"
