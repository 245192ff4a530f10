import json
from itertools import combinations

import pytest
from job_graphs import make_job
from scenes import AIRLINES, FLIGHTS, late, submitted

from sabotnb.display import job_picture
from sabotnb.expr import col
from sabotnb.graph import Aggregate, AggregateColumn, Filter, Join, Operator, Project, Sink, Source

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
    return next(one for one in picture.views if one.name == name)


def card(picture, name):
    return next(one for one in picture.operators if one.id == name)


def test_every_operator_as_written_and_what_it_became(picture):
    nodes = [(node.id, node.text, node.tasks, node.vertices) for node in view(picture, "logical").nodes]
    assert nodes == [
        ("flights", "parquet flights.parquet", 4, ("flights",)),
        ("airlines", "rows", 4, ("airlines",)),
        ("filter_0", "runs in flights", 0, ()),
        ("join_0", "inner on carrier", 4, ("join_0",)),
        ("by_name", "n = count()", 2, ("by_name",)),
        ("sink_0", "parquet out", 4, ("sink_0",)),
    ]


def test_every_chain_that_runs(picture):
    nodes = [(node.title, node.role, node.tasks, node.operators) for node in view(picture, "optimized").nodes]
    assert nodes == [
        ("flights", "source", 4, ("flights",)),
        ("airlines", "source", 4, ("airlines",)),
        ("join_0", "operator", 4, ("join_0", "by_name_partial")),
        ("by_name", "operator", 2, ("by_name",)),
        ("sink_0", "sink", 4, ("sink_0",)),
    ]


def test_lines_know_the_edges_that_they_stand_for(picture):
    logical = [(one.up, one.down, one.label, one.edges) for one in view(picture, "logical").lines]
    assert logical == [
        ("flights", "filter_0", "", ()),
        ("filter_0", "join_0", "", (0,)),
        ("join_0", "by_name", "hash(name)", (2,)),
        ("by_name", "sink_0", "rebalance", (3,)),
        ("airlines", "join_0", "broadcast", (1,)),
    ]
    optimized = [(one.up, one.down, one.type, one.edges) for one in view(picture, "optimized").lines]
    assert optimized == [
        ("flights", "join_0", "forward", (0,)),
        ("airlines", "join_0", "broadcast", (1,)),
        ("join_0", "by_name", "hash", (2,)),
        ("by_name", "sink_0", "rebalance", (3,)),
    ]


def test_places(picture):
    """Golden: a change here changes how every job looks."""
    drawn = view(picture, "optimized")
    assert [(one.id, one.x, one.y, one.width, one.height) for one in drawn.nodes] == GOLDEN_BOXES
    assert [one.path for one in drawn.lines] == GOLDEN_PATHS
    assert (drawn.width, drawn.height) == GOLDEN_SIZE


def test_arrows_end_at_the_boxes_that_they_lead_to(picture):
    for drawn in picture.views:
        boxes = {node.id: node for node in drawn.nodes}
        for line in drawn.lines:
            box = boxes[line.down]
            assert line.tip[0] == pytest.approx(box.x, abs=0.1)
            assert box.y < line.tip[1] < box.y + box.height
            assert float(line.path[1:].split()[0]) == pytest.approx(boxes[line.up].x + boxes[line.up].width, abs=0.1)


def test_boxes_do_not_overlap_and_stay_in_the_picture(picture):
    for drawn in picture.views:
        for one, other in combinations(drawn.nodes, 2):
            beside = one.x + one.width < other.x or other.x + other.width < one.x
            assert beside or one.y + one.height < other.y or other.y + other.height < one.y
        assert max(node.x + node.width for node in drawn.nodes) < drawn.width
        assert max(node.y + node.height for node in drawn.nodes) < drawn.height


def test_a_card_says_what_the_optimizer_did(picture):
    assert card(picture, "filter_0").notes[0] == "runs in flights"
    assert card(picture, "filter_0").vertex == ""
    assert card(picture, "flights").notes == (
        "filter files: reads only rows with col('delay') > 15",
        "narrow columns: reads 1 of 3 columns: carrier",
    )
    assert card(picture, "flights").columns == (("carrier", "string"),)
    assert card(picture, "by_name_partial").vertex == "join_0"


def test_what_went_into_another_is_found_where_that_one_went():
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


def test_a_line_that_the_optimizer_has_cut_shows_the_rows_that_arrive():
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


def test_an_operator_that_the_optimizer_adds_takes_no_name_of_one_that_it_has_removed():
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
        one["id"]: (one["written"], one["runs"], one["gone"]) for one in scenes["operators"] if "select" in one["id"]
    }
    assert runs["select_0"] == (True, "", "select_0 changed nothing")
    assert runs["select_2"] == (False, "without tail", "")


def chain(**names):
    """The box of a job that runs in one chain; ``names``: those that the user gave, by the ids that they replace."""
    kept = [(name, col(name)) for name in FLIGHTS.names]
    specs = {
        "source_0": Source("rate", FLIGHTS),
        "select_0": Project((*kept, ("hours", col("delay") / 60))),
        "filter_0": Filter(col("hours") > 1),
        "select_1": Project((("days", col("hours") / 24),)),
        "sink_0": Sink("collect"),
    }
    steps = {names.get(one, one): Operator("", spec, name=names.get(one)) for one, spec in specs.items()}
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
def test_a_chain_is_called_by_the_names_that_the_user_gave(names, title):
    assert chain(**names).title == title


def test_the_operators_of_a_chain_follow_each_other_in_its_second_line():
    node = chain(source_0="s", select_0="a", filter_0="b", select_1="enrich")
    assert (node.text, node.operators) == ("s → a → b → enrich → sink_0", ("s", "a", "b", "enrich", "sink_0"))


def test_a_long_chain_leaves_numbers_and_then_its_last_operators_out():
    assert chain(select_1="enrich").text == "source → select → filter → …"
    assert chain(source_0="s").text == "s → select_0 → filter → …"
