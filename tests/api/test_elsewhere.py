import re

import pytest

import sabotnb as sb
from sabotnb.api import elsewhere


@pytest.mark.parametrize(
    ("name", "here"),
    [("groupby", ".group_by(...)"), ("withColumn", ".with_columns(name=...)"), ("compute", ".to_arrow()")],
)
def test_methods_of_other_libraries_say_what_they_are_here(flights: sb.Stream, name: str, here: str) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}'; here it is {re.escape(here)}"):
        getattr(flights, name)


def test_no_method_of_a_stream_is_hidden_and_all_that_is_named_exists() -> None:
    for name, here in elsewhere._HERE.items():
        assert not hasattr(sb.Stream, name)
        for method in re.findall(r"\.([a-z_]+)(?=\(|$)", here):
            assert hasattr(sb.Stream, method) or hasattr(sb, method), here


def test_a_column_comes_first(tmp_path) -> None:
    stream = sb.Stream.from_rows([{"count": 1}])
    with pytest.raises(AttributeError, match=r"for its column write col\('count'\)"):
        stream.count  # noqa: B018
