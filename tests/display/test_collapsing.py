from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.display.collapsing import collapsed
from sabotnb.display.job_picture import PictureNode
from sabotnb.display.scene import Link
from sabotnb.topology import topological_order


def nodes(names):
    return [PictureNode(0, 0, 0, 0, name, name, "filter", "operator", "", 1, (name,), (name,), "") for name in names]


def links(text):
    """``ab bc``: an edge per word."""
    return [Link(up, down, "forward", "", (number,)) for number, (up, down) in enumerate(text.split())]


def names(graph):
    return [node.id for node in graph[0]], [f"{link.up}{link.down}" for link in graph[1]]


def test_a_small_graph_is_unchanged():
    small = nodes("abc"), links("ab bc")
    assert collapsed(*small, most=3) == small


def test_chains_are_joined_first():
    assert names(collapsed(nodes("abcdef"), links("ab bc cd ce ef"), most=4)) == (
        ["a", "c", "d", "e"],
        ["ac", "cd", "ce"],
    )


def test_nodes_with_the_same_neighbours_become_a_group():
    joined, edges = collapsed(nodes("abcde"), links("ab ac ad be ce de"), most=3)
    assert [(node.id, node.title, node.vertices) for node in joined][1] == ("b", "3 operators: b", ("b", "c", "d"))
    assert [(link.up, link.down, link.edges) for link in edges] == [("a", "b", (0, 1, 2)), ("b", "e", (3, 4, 5))]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 40),
    st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=120),
    st.integers(1, 10),
)
def test_every_operator_is_in_one_node_and_there_is_no_cycle(count, pairs, most):
    originals = nodes([f"n{number}" for number in range(count)])
    edges = [(up, down) for up, down in dict.fromkeys(pairs) if up < down < count]
    kept, lines = collapsed(
        originals, [Link(f"n{a}", f"n{b}", "hash", "", (i,)) for i, (a, b) in enumerate(edges)], most
    )
    assert len(kept) <= max(most, 1)
    assert sorted(name for node in kept for name in node.operators) == sorted(node.id for node in originals)
    topological_order([node.id for node in kept], [(line.up, line.down) for line in lines])
