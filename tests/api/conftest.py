"""Small streams that every test of the API reads."""

import pyarrow as pa
import pytest

import sabotnb as sb

FLIGHTS = [
    {"carrier": "AA", "origin": "JFK", "delay": 4.0, "minutes": 120},
    {"carrier": "AA", "origin": "JFK", "delay": 30.0, "minutes": 60},
    {"carrier": "UA", "origin": "EWR", "delay": 20.0, "minutes": 90},
    {"carrier": "UA", "origin": "JFK", "delay": None, "minutes": 30},
    {"carrier": None, "origin": "EWR", "delay": 45.0, "minutes": 240},
    {"carrier": "DL", "origin": "EWR", "delay": 16.0, "minutes": None},
]
AIRLINES = [
    {"carrier": "AA", "name": "American"},
    {"carrier": "UA", "name": "United"},
    {"carrier": "WN", "name": "Southwest"},
]


@pytest.fixture
def flights() -> sb.Stream:
    return sb.Stream.from_rows(FLIGHTS)


@pytest.fixture
def airlines() -> sb.Stream:
    return sb.Stream.from_rows(AIRLINES)


@pytest.fixture
def times() -> sb.Stream:
    rows = {"at": pa.array([30, 10, 20], pa.timestamp("us")), "who": ["a", "a", "b"], "value": [3, 1, 2]}
    return sb.Stream.from_arrow(pa.table(rows), event_time="at")
