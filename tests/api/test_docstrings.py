"""The examples in the docstrings of verbs run."""

import re

import pytest

import sabotnb as sb
from sabotnb import col

VERBS = [
    *("filter", "select", "with_columns", "drop", "rename", "map_rows", "map_batches"),
    *("sort", "group_by", "agg", "top", "join", "distinct", "head"),
]
EXAMPLE = re.compile(r"^ *``(flights\..*)``$", re.MULTILINE)


@pytest.mark.parametrize("verb", VERBS)
def test_the_example_of_a_verb_runs(verb: str) -> None:
    (code,) = EXAMPLE.findall(getattr(sb.Stream, verb).__doc__)
    assert code.startswith(f"flights.{verb}(")
    flights = sb.Stream.from_rows([{"carrier": "AA", "origin": "JFK", "delay": 20}])
    airlines = sb.Stream.from_rows([{"carrier": "AA", "name": "American"}])
    made = eval(code, {"flights": flights, "airlines": airlines, "col": col, "sb": sb})
    assert len(made.to_pandas()) == 1
