"""What Python, notebooks and test tools ask of an object goes on working on classes with hints."""

import copy
import inspect
import pickle
from collections.abc import Sized
from unittest.mock import Mock, create_autospec

import pytest
from IPython.core.completer import IPCompleter, provisionalcompleter
from IPython.core.formatters import DisplayFormatter

import sabotnb as sb
from sabotnb import col

STREAM = sb.Stream.from_rows([{"x": 1}])
OBJECTS = [
    STREAM,
    STREAM.group_by("x"),
    STREAM.sink_live(),
    STREAM.head(),
    col("x"),
    col("x").sum(),
    col("x").str,
    col("x").dt,
    col("x").list,
    col("x").struct,
    sb.when(col("x") > 1),
    sb.when(col("x") > 1).then(2),
]
BY_TYPE = {"ids": [type(one).__name__ for one in OBJECTS]}


@pytest.mark.parametrize("one", OBJECTS, **BY_TYPE)
def test_missing_names_are_missing(one: object) -> None:
    assert not hasattr(one, "_repr_png_")
    assert not hasattr(one, "__array__")
    assert not hasattr(one, "no_such_name")
    assert not hasattr(type(one), "no_such_name")
    assert getattr(one, "_ipython_canary_method_should_not_exist_", None) is None


@pytest.mark.parametrize("one", OBJECTS, **BY_TYPE)
def test_they_are_copied_inspected_and_imitated(one: object) -> None:
    assert type(copy.copy(one)) is type(one)
    assert type(copy.deepcopy(one)) is type(one)
    assert dict(inspect.getmembers(type(one)))
    assert Mock(spec=one)
    assert create_autospec(type(one)) is not None


@pytest.mark.parametrize("one", [one for one in OBJECTS if isinstance(one, sb.Expr)])
def test_expressions_are_pickled(one: sb.Expr) -> None:
    assert pickle.loads(pickle.dumps(one)).node == one.node


@pytest.mark.parametrize("one", OBJECTS, **BY_TYPE)
def test_ipython_shows_and_completes_them(one: object) -> None:
    shown, _ = DisplayFormatter().format(one)
    assert "text/plain" in shown
    with provisionalcompleter():
        assert list(IPCompleter(namespace={"one": one}, use_jedi=False).completions("one.", 4))


def test_a_stream_is_true_and_has_no_length() -> None:
    assert STREAM
    assert isinstance(STREAM, Sized)  # which is why bool() must not ask for the length
    assert [batch.num_rows for batch in list(STREAM)] == [1]


def test_signatures_are_those_that_were_written() -> None:
    assert list(inspect.signature(STREAM.sort).parameters) == ["columns", "descending"]
    assert list(inspect.signature(col("x").round).parameters) == ["decimals"]
