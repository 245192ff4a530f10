import json
from itertools import combinations

import pytest
from job_graphs import make_job
from scenes import AIRLINES, FLIGHTS, late, submitted

from sabotnb.display import job_picture
from sabotnb.expr import col
from sabotnb.graph import Aggregate, AggregateColumn, Filter, Join, Operator, Project, Sink, Source
from sabotnb.plan.sizes import Size

GOLDEN_BOXES = [
    ("flights", 16.0, 16.0, 176, 84.0),
    ("airlines", 19.0, 126.0, 170, 84.0),
    ("join_0", 290.9, 71.0, 183, 84.0),
    ("by_name", 578.9, 71.0, 170, 84.0),
    ("sink_0", 847.8, 71.0, 170, 84.0),
]
GOLDEN_PATHS = [
    "M192.0 58.0L192.0 58.0C205.5 58.0 205.5 98.0 219.0 98.0L283.9 98.0",
    "M189.0 168.0L192.0 168.0C205.5 168.0 205.5 128.0 219.0 128.0L283.9 128.0",
    "M473.9 113.0L571.9 113.0",
    "M748.9 113.0L840.8 113.0",
]
GOLDEN_SIZE = (1033.8, 226.0)


@pytest.fixture(scope="module")
def picture():
    scenes, _ = submitted(late())
    return job_picture(json.loads(json.dumps(scenes)))


def view(picture, name):
    return next(view for view in picture.views if view.name == name)


def card(picture, name):
    return next(card for card in picture.operators if card.id == name)


def test_the_logical_view_has_every_written_operator(picture):
    nodes = [(node.id, node.text, node.tasks, node.vertices) for node in view(picture, "logical").nodes]
    assert nodes == [
        ("flights", "parquet flights.parquet", 4, ("flights",)),
        ("airlines", "rows", 4, ("airlines",)),
        ("filter_0", "runs in flights", 0, ()),
        ("join_0", "inner on carrier", 4, ("join_0",)),
        ("by_name", "n = count()", 2, ("by_name",)),
        ("sink_0", "parquet out", 4, ("sink_0",)),
    ]


def test_the_optimized_view_has_a_node_per_chain(picture):
    nodes = [(node.title, node.role, node.tasks, node.operators) for node in view(picture, "optimized").nodes]
    assert nodes == [
        ("flights", "source", 4, ("flights",)),
        ("airlines", "source", 4, ("airlines",)),
        ("join_0", "operator", 4, ("join_0", "by_name_partial")),
        ("by_name", "operator", 2, ("by_name",)),
        ("sink_0", "sink", 4, ("sink_0",)),
    ]


def test_lines_list_the_edges_of_the_execution_graph(picture):
    logical = [(line.up, line.down, line.label, line.edges) for line in view(picture, "logical").lines]
    assert logical == [
        ("flights", "filter_0", "", ()),
        ("filter_0", "join_0", "", (0,)),
        ("join_0", "by_name", "hash(name)", (2,)),
        ("by_name", "sink_0", "rebalance", (3,)),
        ("airlines", "join_0", "broadcast", (1,)),
    ]
    optimized = [(line.up, line.down, line.type, line.edges) for line in view(picture, "optimized").lines]
    assert optimized == [
        ("flights", "join_0", "forward", (0,)),
        ("airlines", "join_0", "broadcast", (1,)),
        ("join_0", "by_name", "hash", (2,)),
        ("by_name", "sink_0", "rebalance", (3,)),
    ]


def test_coordinates(picture):
    """Golden: a change here changes the picture of every job."""
    drawn = view(picture, "optimized")
    assert [(node.id, node.x, node.y, node.width, node.height) for node in drawn.nodes] == GOLDEN_BOXES
    assert [line.path for line in drawn.lines] == GOLDEN_PATHS
    assert (drawn.width, drawn.height) == GOLDEN_SIZE


def test_arrows_end_at_their_lower_boxes(picture):
    for drawn in picture.views:
        boxes = {node.id: node for node in drawn.nodes}
        for line in drawn.lines:
            box = boxes[line.down]
            assert line.tip[0] == pytest.approx(box.x, abs=0.1)
            assert box.y < line.tip[1] < box.y + box.height
            assert float(line.path[1:].split()[0]) == pytest.approx(boxes[line.up].x + boxes[line.up].width, abs=0.1)


def test_boxes_do_not_overlap_and_stay_in_the_picture(picture):
    for drawn in picture.views:
        for first, second in combinations(drawn.nodes, 2):
            beside = first.x + first.width < second.x or second.x + second.width < first.x
            above = first.y + first.height < second.y or second.y + second.height < first.y
            assert beside or above
        assert max(node.x + node.width for node in drawn.nodes) < drawn.width
        assert max(node.y + node.height for node in drawn.nodes) < drawn.height


def test_a_card_lists_what_the_optimizer_did(picture):
    assert card(picture, "filter_0").notes[0] == "runs in flights"
    assert card(picture, "filter_0").vertex == ""
    assert card(picture, "flights").notes == (
        "filter files: reads only rows with col('delay') > 15",
        "narrow columns: reads 1 of 3 columns: carrier",
    )
    assert card(picture, "flights").columns == (("carrier", "string"),)
    assert card(picture, "by_name_partial").vertex == "join_0"


def test_the_card_of_a_source_says_how_many_rows_its_filter_sees():
    scenes, _ = submitted(late(), sizes={"flights": Size(336_776), "airlines": Size(16)})
    found = job_picture(scenes)
    assert card(found, "flights").notes[-1] == "counts the rows that pass its filter, of 336,776 rows"
    assert card(found, "airlines").notes == ()


def test_a_merged_operator_names_the_operator_that_runs():
    chain = {
        "s": Source("parquet", FLIGHTS, {"paths": ["f.parquet"]}),
        "one": Filter(col("delay") > 1),
        "two": Filter(col("delay") > 2),
        "same": Project(tuple((name, col(name)) for name in FLIGHTS.names)),
        "out": Sink("parquet", {"path": "out"}),
    }
    scenes, _ = submitted(make_job(chain, "s > one > two > same > out"))
    notes = {node.id: node.note for node in view(job_picture(scenes), "logical").nodes}
    assert notes == {
        "s": "",
        "one": "runs in s",
        "two": "runs in s",
        "same": "same changed nothing",
        "out": "",
    }


def test_a_line_split_by_the_optimizer_has_the_edge_on_which_rows_arrive():
    columns = (AggregateColumn("n", "count"),)
    chain = {
        "s": Source("parquet", FLIGHTS, {"paths": ["f.parquet"]}),
        "counted": Aggregate(("carrier",), columns, FLIGHTS),
        "out": Sink("collect"),
    }
    scenes, execution = submitted(make_job(chain, "s > counted > out"))
    first, _ = view(job_picture(scenes), "logical").lines
    assert (first.up, first.label) == ("s", "hash(carrier)")
    assert [execution.edges[index].down for index in first.edges] == ["counted"]


def test_names_of_any_length_are_cut():
    name = "n" * 10_000
    chain = {name: Source("parquet", FLIGHTS, {"paths": ["p" * 10_000]}), "out": Sink("parquet", {"path": "out"})}
    scenes, _ = submitted(make_job(chain, f"{name} > out"))
    for drawn in job_picture(scenes).views:
        assert max(len(node.title + node.text) for node in drawn.nodes) < 60
        assert max(node.width for node in drawn.nodes) == (210 if drawn.name == "logical" else 244)


def test_an_added_operator_does_not_reuse_the_id_of_a_removed_one():
    kept = tuple((name, col(name)) for name in ("carrier", "delay"))
    chain = {
        "s": Source("rows", FLIGHTS),
        "select_0": Project(tuple((name, col(name)) for name in FLIGHTS.names)),
        "filter_0": Filter(col("tail") != "x"),
        "join_0": Join(("carrier",), ("carrier",), strategy="hash"),
        "airlines": Source("rows", AIRLINES),
        "select_1": Project(kept),
        "out": Sink("collect"),
    }
    scenes, _ = submitted(make_job(chain, "s > select_0 > filter_0 > join_0 > select_1 > out", "airlines > join_0:1"))
    runs = {
        operator["id"]: (operator["written"], operator["runs"], operator["gone"])
        for operator in scenes["operators"]
        if "select" in operator["id"]
    }
    assert runs["select_0"] == (True, "", "select_0 changed nothing")
    assert runs["select_2"] == (False, "without tail", "")


def chain(**names):
    """Return the box of a job that runs in one chain; ``names`` has the user's names by the ids that they replace."""
    kept = [(name, col(name)) for name in FLIGHTS.names]
    specs = {
        "source_0": Source("rate", FLIGHTS),
        "select_0": Project((*kept, ("hours", col("delay") / 60))),
        "filter_0": Filter(col("hours") > 1),
        "select_1": Project((("days", col("hours") / 24),)),
        "sink_0": Sink("collect"),
    }
    steps = {names.get(key, key): Operator("", spec, name=names.get(key)) for key, spec in specs.items()}
    scenes, _ = submitted(make_job(steps, " > ".join(steps)))
    (node,) = view(job_picture(scenes), "optimized").nodes
    return node


@pytest.mark.parametrize(
    ("names", "title"),
    [
        ({}, "source_0"),
        ({"select_1": "enrich"}, "enrich"),
        ({"source_0": "clicks", "select_1": "enrich"}, "clicks · enrich"),
    ],
)
def test_the_title_of_a_chain_is_the_names_that_the_user_gave(names, title):
    assert chain(**names).title == title


def test_the_text_of_a_chain_lists_its_operators_in_order():
    node = chain(source_0="s", select_0="a", filter_0="b", select_1="enrich")
    assert (node.text, node.operators) == ("s → a → b → enrich → sink_0", ("s", "a", "b", "enrich", "sink_0"))


def test_the_text_of_a_long_chain_omits_numbers_and_then_operators():
    assert chain(select_1="enrich").text == "source → select → filter → …"
    assert chain(source_0="s").text == "s → select_0 → filter → …"
