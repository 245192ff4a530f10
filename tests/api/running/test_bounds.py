import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb.api.running.bounds import with_bounds
from sabotnb.graph import EdgeType


def bounds_of(graph):
    hints = [edge.hint for edge in graph.edges if edge.hint is not None and edge.hint.type is EdgeType.RANGE]
    return [[bound.value for bound in hint.bounds] for hint in hints]


def counted(log):
    """Rows 0 to 7; a line in ``log`` for each time that they are read."""

    def rows():
        with log.open("a") as file:
            file.write("read\n")
        yield from ({"x": x} for x in range(8))

    return sb.Stream.from_generator(rows, pa.schema({"x": pa.int64()}))


@pytest.mark.parametrize(("tasks", "bounds"), [(2, [4]), (3, [2, 5]), (4, [2, 4, 6])])
def test_bounds_split_a_sample_evenly(tmp_path, tasks, bounds):
    stream = counted(tmp_path / "log").range_partition("x").filter(sb.col("x") >= 0)
    assert bounds_of(with_bounds(stream.sink_live().to_job_graph(), tasks)) == [bounds]


def test_each_source_is_read_once_for_all_edges(tmp_path):
    log = tmp_path / "log"
    stream = counted(log)
    ends = [
        stream.range_partition("x").filter(sb.col("x") < 9),
        stream.with_columns(y=-sb.col("x")).range_partition("y").select("y"),
    ]
    graph = sb.union(*(end.select(z=end.schema.names[-1]) for end in ends)).sink_live().to_job_graph()
    assert bounds_of(with_bounds(graph, 2)) == [[4], [-3]]
    assert log.read_text() == "read\n"


def test_nothing_is_read_for_a_single_task(tmp_path):
    log = tmp_path / "log"
    graph = counted(log).range_partition("x").filter(sb.col("x") < 9).sink_live().to_job_graph()
    assert with_bounds(graph, 1) is graph
    assert not log.exists()
