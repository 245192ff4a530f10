"""Text that is an expression, where the name of a column belongs: how to write the expression."""

import pytest

import sabotnb as sb
from sabotnb import col, errors

STREAM = sb.Stream.from_rows([{"a": 1, "b": 2, "st": {"x": 1}}])
EXPRESSIONS = [
    ("a > 1", "col('a') > 1"),
    ("a > 1 and not b < 2", "(col('a') > 1) & ~(col('b') < 2)"),
    ("a + b * 2", "col('a') + col('b') * 2"),
    ("-a", "-col('a')"),
    ("max(a)", "col('a').max()"),
    ("st.x", "col('st').struct.field('x')"),
    (f"{col('a')}", "col('a')"),
    (f"{col('a') > 1}", "col('a') > 1"),
]


@pytest.mark.parametrize(("text", "code"), EXPRESSIONS)
def test_an_expression_as_text_is_shown_as_code(text: str, code: str) -> None:
    with pytest.raises(errors.ColumnNotFound) as raised:
        STREAM.select(text)
    assert f"text is the name of a column; write the expression itself: {code}. It has: a, b, st" in str(raised.value)
    assert eval(code, {"col": col}) is not None


@pytest.mark.parametrize("text", ["aa", "no such column", "a =", "(", "", "1", "f(y)", "x.y", "\0", "(" * 10_000])
def test_other_texts_are_names(text: str) -> None:
    with pytest.raises(errors.ColumnNotFound) as raised:
        STREAM.select(text)
    assert "the expression itself" not in str(raised.value)
