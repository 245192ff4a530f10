from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from sabotnb.connectors.folders.hive import folder_name, folders_of, parsed, values_of
from sabotnb.errors import SourceError


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("y=2024/m=1/p.csv", {"y": "2024", "m": "1"}),
        ("plain/y=2024/p.csv", {"y": "2024"}),
        ("p=1.csv", {}),
        ("k=a%2Fb=c/p.csv", {"k": "a/b=c"}),
        ("k=100%/p.csv", {"k": "100%"}),
        ("k=%FF/p.csv", {"k": "%FF"}),
        ("k=a b/p.csv", {"k": "a b"}),
        ("k=%C3%A4/p.csv", {"k": "ä"}),
        ("k=ä/p.csv", {"k": "ä"}),
        ("k=/p.csv", {"k": ""}),
        ("=x/p.csv", {}),
        ("a%20b%3D=x/p.csv", {"a b=": "x"}),
        ("_k=1/.j=2/p.csv", {"_k": "1", ".j": "2"}),
        ("k=__HIVE_DEFAULT_PARTITION__/p.csv", {"k": None}),
        ("k=%5F_HIVE_DEFAULT_PARTITION__/p.csv", {"k": "__HIVE_DEFAULT_PARTITION__"}),
    ],
)
def test_what_folders_say(path, values):
    assert values_of(f"/d/{path}", "/d") == values


def test_folders_above_the_base_say_nothing():
    assert values_of("/d/y=1/m=2/p.csv", "/d/y=1") == {"m": "2"}


def test_a_column_in_two_folders_of_a_path_is_refused():
    with pytest.raises(SourceError, match=r"'/d/y=1/y=2/p\.csv' is in two folders called 'y=': rename one"):
        values_of("/d/y=1/y=2/p.csv", "/d")


@pytest.mark.parametrize(
    ("texts", "data_type"),
    [
        (["2023", "2024"], pa.int64()),
        (["-5", "0", "__HIVE_DEFAULT_PARTITION__"], pa.int64()),
        (["01", "02"], pa.string()),  # what would be written is another text
        (["7", "007"], pa.string()),
        (["9223372036854775807"], pa.int64()),
        (["0", "9223372036854775808"], pa.uint64()),
        (["18446744073709551616"], pa.string()),
        (["-1", "9223372036854775808"], pa.string()),
        (["1", "x"], pa.string()),
        (["1", ""], pa.string()),
        (["1.5", "2"], pa.string()),
        (["true"], pa.bool_()),
        (["true", "__HIVE_DEFAULT_PARTITION__", "false"], pa.bool_()),
        (["true", "True"], pa.string()),
        (["٣"], pa.string()),
        (["2024-01-31", "2024-02-01"], pa.date32()),
        (["2024-02-30"], pa.string()),
        (["2024-01-31", "2024-01-31 00:00:00"], pa.string()),
        (["2024-01-31 10:00:00", "2024-01-31 10:00:00.5"], pa.timestamp("us")),
        (["2024-01-31 10:00:00", "2024-01-31T10:00:00"], pa.string()),
        (["__HIVE_DEFAULT_PARTITION__"], pa.string()),
    ],
    ids=str,
)
def test_all_values_decide_the_type(texts, data_type):
    files = [f"/d/k={text}/p.csv" for text in texts]
    assert folders_of(files, "/d", ["n"], {}).added == pa.schema({"k": data_type})


def test_a_declared_type_is_used_and_has_to_fit():
    files = ["/d/k=01/p.csv", "/d/k=2/p.csv"]
    assert folders_of(files, "/d", [], {"k": pa.int8()}).added == pa.schema({"k": pa.int8()})
    with pytest.raises(SourceError, match=r"the folder 'k=300' of '/d/k=300/p.csv' has no int8: correct schema="):
        folders_of([*files, "/d/k=300/p.csv"], "/d", [], {"k": pa.int8()})


def test_a_type_written_in_the_files_is_used_where_it_fits_all_values():
    files = ["/d/k=1/p.csv", "/d/k=2/p.csv"]
    assert folders_of(files, "/d", [], {}, {"k": pa.uint8()}).added == pa.schema({"k": pa.uint8()})
    assert folders_of(files, "/d", [], {"k": pa.string()}, {"k": pa.uint8()}).added == pa.schema({"k": pa.string()})
    assert folders_of([*files, "/d/k=x/p.csv"], "/d", [], {}, {"k": pa.uint8()}).added == pa.schema({"k": pa.string()})


def test_columns_that_files_have_are_not_added():
    folders = folders_of(["/d/k=1/j=2/p.csv"], "/d", ["k"], {})
    assert folders.added.names == ["j"]
    assert folders.options == {"hive": {"base": "/d", "added": ["j"]}}
    assert folders_of(["/d/p.csv"], "/d", ["k"], {}).options == {}


@pytest.mark.parametrize("other", ["/d/p.csv", "/d/m=1/p.csv"])
def test_files_in_other_folders_are_refused(other):
    with pytest.raises(SourceError, match=r"p.csv' is in a folder '.=...', and '.*p.csv' is not: read them as several"):
        folders_of(["/d/y=1/p.csv", other], "/d", [], {})


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (pa.scalar(5, pa.int8()), "k=5"),
        (pa.scalar(value=True), "k=true"),
        (pa.scalar(0.1, pa.float32()), "k=0.1"),
        (pa.scalar(Decimal("1.10")), "k=1.10"),
        (pa.scalar(date(2024, 1, 2)), "k=2024-01-02"),
        (pa.scalar(datetime(2024, 1, 2)), "k=2024-01-02 00%3A00%3A00"),
        (pa.scalar(datetime(2024, 1, 2, 3, 4, 5, 6)), "k=2024-01-02 03%3A04%3A05.000006"),
        (pa.scalar(1, pa.timestamp("ns")), "k=1970-01-01 00%3A00%3A00.000000001"),
        (pa.scalar(0, pa.timestamp("s", "UTC")), "k=1970-01-01 00%3A00%3A00Z"),
        (pa.scalar(0, pa.timestamp("s", "Europe/Amsterdam")), "k=1970-01-01 00%3A00%3A00Z"),
        (pa.scalar(1, pa.time64("us")), "k=00%3A00%3A00.000001"),
        (pa.scalar("a/b=c% ä"), "k=a%2Fb%3Dc%25 %C3%A4"),
        (pa.scalar(""), "k="),
        (pa.scalar(None, pa.string()), "k=__HIVE_DEFAULT_PARTITION__"),
        (pa.scalar("__HIVE_DEFAULT_PARTITION__"), "k=%5F_HIVE_DEFAULT_PARTITION__"),
    ],
    ids=str,
)
def test_names_of_folders_have_the_value(value, name):
    assert folder_name("k", value) == name
    (text,) = values_of(f"/d/{name}/p.csv", "/d").values()
    assert parsed([text], value.type)[0] == value
