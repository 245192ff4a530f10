import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabotnb.testing import assert_rows

NAN = float("nan")


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        ([], []),
        ([{"x": 1}, {"x": 2}], [{"x": 2}, {"x": 1}]),
        ([{"x": NAN}], [{"x": NAN}]),
        ([{"x": 0.1 + 0.2}], [{"x": 0.3}]),
        ([{"x": 0.1 + 0.2}, {"x": 0.3}], [{"x": 0.3}, {"x": 0.3}]),
        ([{"x": [1, {"y": None}]}], [{"x": [1, {"y": None}]}]),
    ],
)
def test_equal_rows_in_any_order(actual, expected):
    assert_rows(actual, expected)


@pytest.mark.parametrize(
    ("actual", "expected", "message"),
    [
        ([{"x": 1}], [], "1 row unexpected:\n  {'x': 1}"),
        ([], [{"x": 1}], "1 row missing:\n  {'x': 1}"),
        ([{"x": 1}], [{"x": 1}, {"x": 1}], "1 row missing:"),
        ([{"x": 1.0}], [{"x": 1.0001}], "1 row missing:"),
        ([{"x": 1}], [{"x": 1, "y": None}], "1 row missing:"),
        ([{"x": n} for n in range(20)], [], "20 rows unexpected:"),
    ],
)
def test_other_rows_are_listed(actual, expected, message):
    with pytest.raises(AssertionError) as raised:
        assert_rows(actual, expected)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("actual", "message"),
    [([{"x": 2}, {"x": 1}], "row 0 is {'x': 2}, expected {'x': 1}"), ([{"x": 1}], "1 rows, expected 2")],
)
def test_the_order_can_matter(actual, message):
    with pytest.raises(AssertionError) as raised:
        assert_rows(actual, [{"x": 1}, {"x": 2}], ordered=True)
    assert message in str(raised.value)
    assert_rows([{"x": 1}, {"x": 2}], [{"x": 1}, {"x": 2}], ordered=True)


def test_a_stream_is_run():
    class Stream:
        def to_rows(self):
            return [{"x": 1}]

    assert_rows(Stream(), [{"x": 1}])


floats = st.one_of(st.none(), st.floats(), st.integers(-2, 2))


@given(st.lists(st.fixed_dictionaries({"x": floats, "y": st.lists(floats, max_size=2)}), max_size=6), st.randoms())
def test_a_shuffled_list_is_equal_and_a_shorter_one_is_not(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert_rows(shuffled, rows)
    if rows:
        with pytest.raises(AssertionError):
            assert_rows(shuffled[1:], rows)
