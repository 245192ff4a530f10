import pyarrow as pa

from sabotnb.diagram import picture
from sabotnb.expr import col
from sabotnb.graph import Aggregate, AggregateColumn, Filter, Join, Operator, Project, Sink, Source
from sabotnb.plan import explain, optimize, physical

FLIGHTS = pa.schema([("carrier", pa.string()), ("origin", pa.string()), ("delay", pa.float64()), ("tail", pa.string())])
AIRLINES = pa.schema([("carrier", pa.string()), ("name", pa.string())])


LEVELS = """\
== logical ==
flights   source: parquet flights.parquet: carrier, origin, delay, tail
airlines  source: rows: carrier, name
filter_0  filter: col('delay') > 15  <- flights
join_0    join: inner on carrier  <- filter_0, airlines
by_name   aggregate: by name: n = count(), worst = max(delay)  <- join_0
sink_0    sink: parquet out  <- by_name

== optimizer ==
filter files    flights: reads only rows with col('delay') > 15 (1 -> 0)
narrow columns  flights: reads 2 of 4 columns: carrier, delay (4 -> 2)
choose join     join_0: broadcast: 'airlines' is about 640 bytes, the limit is 10,485,760
two phases      by_name: by_name_partial aggregates within batches before rows travel by key (1 -> 2)
4 steps: filter files 1, narrow columns 1, choose join 1, two phases 1

== optimized ==
flights          source: parquet flights.parquet: carrier, delay, where col('delay') > 15
airlines         source: rows: carrier, name
join_0           join: inner on carrier, broadcast  <- flights, airlines
by_name_partial  aggregate: partial by name: n = count(), worst = max(delay)  <- join_0
by_name          aggregate: final by name: n = count(), worst = max(delay)  <- by_name_partial
sink_0           sink: parquet out  <- by_name

== physical ==
flights   x4  [flights]
airlines  x4  [airlines]
join_0    x4  [join_0 > by_name_partial]
by_name   x2  [by_name]  key domain by_name
sink_0    x4  [sink_0]
flights -> join_0:0  forward  4 to 4, 4 channels
airlines -> join_0:1  broadcast  4 to 4, 16 channels
join_0 -> by_name:0  hash(name)  4 to 2, 8 channels
by_name -> sink_0:0  rebalance  2 to 4, 8 channels
18 tasks in 4 slots; 128 key groups

┌─────────┐    ┌───────────┐
│ flights │    │ airlines  │
│   x4    │    │    x4     │
└────┬────┘    └─────┬─────┘
     └───────┐       │
             ├───────┘
             │
             ▼ forward
     ┌───────┴───────┐
     │    join_0     │
     │ x4, 1 chained │
     └───────┬───────┘
             │
             │
             │
             ▼ hash(name)
        ┌────┴────┐
        │ by_name │
        │   x2    │
        └────┬────┘
             │
             │
             │
             ▼ rebalance
        ┌────┴────┐
        │ sink_0  │
        │   x4    │
        └─────────┘

== guarantees ==
files: exactly once, all of them at the end; a lost worker: the job goes on from the last checkpoint"""

FORK_AND_JOIN = """\
┌─────────┐    ┌───────────┐
│ flights │    │ airlines  │
│   x2    │    │    x2     │
└────┬────┘    └─────┬─────┘
     └───────┐       │
             ├───────┘
             │
             ▼ forward
         ┌───┴───┐
         │ join  │
         │  x2   │
         └───┬───┘
       ┌─────┤
       │     └────┐
       │          │
       ▼ hash(k)  ▼ forward
    ┌──┴──┐    ┌──┴──┐
    │  a  │    │  b  │
    │ x2  │    │ x2  │
    └─────┘    └─────┘"""


class Known:
    rows = 16
    nbytes = 640


def late(job):
    columns = (AggregateColumn("n", "count"), AggregateColumn("worst", "max", "delay"))
    joined = pa.schema([*FLIGHTS, pa.field("name", pa.string())])
    return job(
        {
            "flights": Source("parquet", FLIGHTS, {"paths": ["data/flights.parquet"]}),
            "airlines": Source("rows", AIRLINES),
            "filter_0": Filter(col("delay") > 15),
            "join_0": Join(("carrier",), ("carrier",)),
            "by_name": Operator("", Aggregate(("name",), columns, joined), name="by_name", parallelism=2),
            "sink_0": Sink("parquet", {"path": "out"}),
        },
        "flights > filter_0 > join_0 > by_name > sink_0",
        "airlines > join_0:1",
    )


def test_the_three_levels_and_the_optimizer_steps(job):
    graph = late(job)
    optimized = optimize(graph, {"airlines": Known()})
    assert explain(graph, optimized, physical(optimized.graph, 4)) == LEVELS


def test_a_projection_shows_what_it_computes(job):
    graph = job(
        {
            "s": Source("rows", AIRLINES),
            "p": Project((("carrier", col("carrier")), ("upper", col("name").str.upper()))),
            "out": Sink("collect"),
        },
        "s > p > out",
    )
    assert explain(graph).splitlines()[2] == "p    select: carrier, upper = col('name').str.upper()  <- s"


def test_the_picture_of_a_fork_and_a_join():
    nodes = {name: (name, "x2") for name in ("flights", "airlines", "join", "a", "b")}
    edges = [
        ("flights", "join", "forward"),
        ("airlines", "join", "broadcast"),
        ("join", "a", "hash(k)"),
        ("join", "b", "forward"),
    ]
    assert picture(nodes, edges) == FORK_AND_JOIN


def test_an_empty_graph_is_an_empty_picture():
    assert picture({}, []) == ""
