import os

import pytest

from sabotnb import connectors
from sabotnb.connectors.folders.file_search import files_below, files_of_glob, fixed_part
from sabotnb.connectors.folders.paths import find
from sabotnb.errors import SourceError


@pytest.fixture
def folder(tmp_path):
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    (top / "a" / "x.csv").write_text("n\n1\n")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "y.csv").write_text("n\n2\n")
    return top


def below(folder, files):
    return [os.path.relpath(file, folder) for file in files]


@pytest.mark.parametrize("target", [".", "..", "a", "../.."])
def test_folders_that_lead_back_to_themselves_have_their_files_once(folder, read, target):
    (folder / "a" / "again").symlink_to(folder / target, target_is_directory=True)
    (folder / "to_a").symlink_to("a", target_is_directory=True)
    for given in (folder, f"{folder}/**/*.csv", f"{folder}/**", f"{folder}/**/**/*.csv", f"{folder}/*/*.csv"):
        assert below(folder, find(given, (".csv",))) == ["a/x.csv"]
    assert read(connectors.csv(f"{folder}/**/*.csv")).to_pylist() == [{"n": 1}]


def test_links_to_other_folders_are_followed(folder):
    (folder / "0_beside").symlink_to("../beside", target_is_directory=True)
    assert below(folder, files_below(folder)) == ["0_beside/y.csv", "a/x.csv"]
    assert below(folder, files_of_glob(f"{folder}/**/*.csv")) == ["0_beside/y.csv", "a/x.csv"]


def test_folders_that_link_to_each_other_end(folder):
    for one in "abcdefgh":
        (folder / one).mkdir(exist_ok=True)
        (folder / one / f"{one}.csv").write_text("n\n1\n")
        for other in "abcdefgh":
            (folder / one / f"to_{other}").symlink_to(f"../{other}", target_is_directory=True)
    expected = sorted([*(f"{one}/{one}.csv" for one in "abcdefgh"), "a/x.csv"])
    assert below(folder, files_below(folder)) == expected
    assert below(folder, files_of_glob(f"{folder}/**/*.csv")) == expected


def test_a_file_and_links_to_it_are_one_file(folder):
    (folder / "a" / "latest.csv").symlink_to("x.csv")
    (folder / "a" / "other.csv").symlink_to("../../beside/y.csv")
    (folder / "b.csv").symlink_to("a/latest.csv")
    assert below(folder, files_below(folder)) == ["a/other.csv", "a/x.csv"]
    assert below(folder, find([folder / "b.csv"], (".csv",))) == ["b.csv"]


def test_hard_links_are_files_of_their_own(folder):
    (folder / "a" / "z.csv").hardlink_to(folder / "a" / "x.csv")
    assert below(folder, files_below(folder)) == ["a/x.csv", "a/z.csv"]


@pytest.mark.parametrize(("target", "what"), [("gone.csv", "does not exist"), ("link.csv", "leads back to it")])
def test_links_that_lead_nowhere_are_named(folder, target, what):
    (folder / "link.csv").symlink_to(target)
    for given in (folder / "link.csv", folder / "link.csv" / "x.csv", folder, f"{folder}/*.csv"):
        with pytest.raises(SourceError, match=rf"link\.csv' is a link to '{target}', which {what}.*: correct "):
            find(given, (".csv",))


def test_a_folder_called_key_and_value_is_not_hidden(folder):
    for name in ("_k=1", ".k=1", "_private", ".private"):
        (folder / name).mkdir()
        (folder / name / "x.csv").write_text("n\n1\n")
    assert below(folder, files_below(folder)) == [".k=1/x.csv", "_k=1/x.csv", "a/x.csv"]
    assert below(folder, files_of_glob(f"{folder}/**/*.csv")) == [
        ".k=1/x.csv",
        "_k=1/x.csv",
        "_private/x.csv",
        "a/x.csv",
    ]


@pytest.mark.parametrize(
    ("pattern", "fixed"),
    [("/d/*.csv", "/d"), ("/d/y=*/m=1/*.csv", "/d"), ("/d/y=1/**/a.csv", "/d/y=1"), ("/d/a.csv", "/d/a.csv")],
)
def test_the_fixed_part_of_a_glob(pattern, fixed):
    assert fixed_part(pattern) == fixed


@pytest.mark.parametrize("describe", [connectors.parquet, connectors.csv, connectors.json, connectors.ipc])
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "the path is empty: give the path of a file or folder"),
        ("a\0b", r"the path 'a\\x00b' has a zero character in it: give"),
        ("a\udc80b", r"the path 'a\\udc80b' has half of a surrogate pair in it, .*: give"),
        ("x" * 300, r"the name 'x{40}\.\.\.' has 300 bytes, of at most 255: give"),
    ],
)
def test_what_cannot_be_a_path_is_refused(describe, path, message):
    with pytest.raises(SourceError, match=message):
        describe(path)
