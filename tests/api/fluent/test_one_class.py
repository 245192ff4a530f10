"""A stream looks like one class: help lists all verbs as its own, and completion follows chains over groups."""

import inspect
import pydoc

import jedi
import pytest

import sabotnb as sb

PUBLIC = [name for name in dir(sb.Stream) if not name.startswith("_")]


def test_help_lists_every_verb_as_a_method_of_stream():
    inherited = pydoc.render_doc(sb.Stream, renderer=pydoc.plaintext).partition("inherited from sabotnb.api")[2]
    assert [name for name in PUBLIC if name != "flow" and f" {name}(" in inherited] == []


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in ("flow", "schema")])
def test_the_name_of_a_verb_says_stream(name: str):
    verb = getattr(sb.Stream, name)
    assert verb.__qualname__ == f"Stream.{verb.__name__}"
    assert "Self" not in str(inspect.signature(verb))


@pytest.mark.parametrize(
    ("code", "completed"),
    [
        ("sb.Stream.from_rows([]).fil", "filter"),
        ("sb.Stream.from_rows([]).filter().group_by('x').ag", "agg"),
        ("sb.Stream.from_rows([]).rebalance().agg().sink_l", "sink_live"),
        ("sb.Stream.from_rows([]).select().join().distinct().sink_live().ru", "run"),
        ("sb.Stream.from_rows([]).with_event_time('t').to_p", "to_pandas"),
    ],
)
def test_completion_follows_a_chain(code: str, completed: str):
    assert completed in [completion.name for completion in jedi.Interpreter(code, [{"sb": sb}]).complete()]
