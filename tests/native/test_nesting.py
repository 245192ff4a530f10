import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.native.nesting import first_deeper

VALUES = st.recursive(
    st.text(alphabet='[]{}"\\a\n', max_size=5) | st.integers(-9, 9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='[{"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)


def depth_of(value):
    if isinstance(value, dict | list):
        return 1 + max(map(depth_of, value.values() if isinstance(value, dict) else value), default=0)
    return 0


@settings(deadline=None, max_examples=300)
@given(values=st.lists(VALUES, max_size=4))
def test_depth_is_that_of_the_values(values):
    text = "\n".join(map(json.dumps, values)).encode()
    depth = max(map(depth_of, values), default=0)
    assert first_deeper(text, depth) == -1
    if depth:
        at = first_deeper(text, depth - 1)
        assert text[at : at + 1] in (b"[", b"{")


@pytest.mark.parametrize(
    ("text", "limit", "at"),
    [
        (b"", 0, -1),
        (b"[", 0, 0),
        (b'{"a": [[', 2, 7),
        (b"[" * 20_000, 60, 60),
        (b'"' + b"[" * 100, 2, -1),
        (b'"\\"[[[', 2, -1),
        (b'"\\\\"[[[', 2, 6),
        (b'"\\', 1, -1),
    ],
)
def test_where_it_is_too_deep(text, limit, at):
    assert first_deeper(text, limit) == at
