import gzip

import pytest

from sabotnb import connectors
from sabotnb.connectors.folders.paths import find
from sabotnb.errors import SourceError


@pytest.fixture
def folder(tmp_path):
    for name in ("b.csv", "a.csv", "deep/c.csv", "_hidden.csv", ".hidden.csv", "_private/x.csv", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x\n1\n")
    return tmp_path


def names(folder, found):
    return [file.removeprefix(str(folder) + "/") for file in found]


def test_a_folder_gives_its_files_in_order_and_no_hidden_ones(folder):
    assert names(folder, find(folder, (".csv",))) == ["a.csv", "b.csv", "deep/c.csv"]


def test_globs_lists_and_single_files(folder, monkeypatch):
    assert names(folder, find(f"{folder}/*.csv", (".csv",))) == ["_hidden.csv", "a.csv", "b.csv"]
    assert names(folder, find(f"{folder}/**/?.csv", (".csv",))) == ["_private/x.csv", "a.csv", "b.csv", "deep/c.csv"]
    assert names(folder, find([folder / "b.csv", str(folder / "a.csv")], (".csv",))) == ["b.csv", "a.csv"]
    assert names(folder, find(f"file://{folder}/notes.txt", (".csv",))) == ["notes.txt"]
    monkeypatch.chdir(folder)
    assert find("a.csv", (".csv",)) == (str(folder / "a.csv"),)


def test_a_link_that_leads_nowhere(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(SourceError, match=r"link\.csv' is a link to '.*gone\.csv', which does not exist"):
        find(tmp_path / "link.csv", (".csv",))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{}/aa.csv", r"aa\.csv' does not exist: did you mean '.*a\.csv'"),
        ("{}/nothing_like_it", r"does not exist: check the path; '.*' has \.hidden\.csv, _hidden\.csv, a\.csv, b\.csv"),
        ("{}/no/such/folder.csv", "there is '.*', but nothing below it on this path"),
        ("{}/*.json", r"no file matches '.*\*\.json' .*check the pattern"),
        ("s3://bucket/a.csv", "is not a local path: give a file that every worker can open"),
        ([], "the list of paths is empty"),
    ],
)
def test_what_is_not_there_is_refused_with_what_to_do(folder, path, message):
    with pytest.raises(SourceError, match=message):
        find(path.format(folder) if isinstance(path, str) else path, (".csv",))


@pytest.mark.parametrize("describe", [connectors.parquet, connectors.csv, connectors.json, connectors.ipc])
def test_every_format_refuses_missing_paths_and_empty_folders_and_files(describe, tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        describe(tmp_path / "missing")
    with pytest.raises(SourceError, match=r"it is empty.*check the path"):
        describe(tmp_path)
    (tmp_path / "zero").write_bytes(b"")
    with pytest.raises(SourceError, match=r"zero' is empty \(0 bytes\): remove it"):
        describe(tmp_path / "zero")
    with pytest.raises(SourceError, match=r"has no \*\..* file \(it has 'zero'\)"):
        describe(tmp_path)


@pytest.mark.parametrize("describe", [connectors.csv, connectors.json])
def test_compressed_text_is_refused(describe, tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a\n1\n"))
    with pytest.raises(SourceError, match=r"is compressed \(gzip\): decompress it first"):
        describe(tmp_path / "a.csv.gz")


@pytest.mark.parametrize("describe", [connectors.parquet, connectors.ipc])
def test_a_file_of_another_format_is_refused(describe, tmp_path):
    (tmp_path / "a").write_text("this is not a file\n" * 10)
    with pytest.raises(SourceError, match=r"a' cannot be read .*write it again or leave it out"):
        describe(tmp_path / "a")
