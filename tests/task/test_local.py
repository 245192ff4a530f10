import itertools
import signal
import threading
from contextlib import closing

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from taskjobs import (
    COLLECT,
    Custom,
    Doubled,
    Evens,
    Exploding,
    Total,
    X,
    graph,
    numbers,
    reads,
    rows,
    run,
    start,
    vertex,
)

from sabotnb.config import Config
from sabotnb.errors import GraphError, JobFailed, SourceError
from sabotnb.protocol.operator import Operator
from sabotnb.testing import Crash, Hold, InjectedFault, Pause, ScriptedSource


def source_to_collect(source, *operators):
    return graph([vertex("numbers", reads(source), *(Custom(operator) for operator in operators), COLLECT)])


def test_a_chain_in_one_task():
    assert run(source_to_collect(numbers([range(3), [5]]), Doubled, Doubled)) == [0, 4, 8, 20]


def test_an_empty_source_ends_the_job():
    assert run(source_to_collect(numbers([]), Doubled)) == []


def test_rows_returned_at_the_end_go_through_the_later_operators():
    assert run(source_to_collect(numbers([range(5)]), Total, Doubled)) == [20]


def test_every_split_is_read_once():
    source = numbers([[0]], [[1]], [[2]], [[3]], [[4]])
    job = graph([vertex("numbers", reads(source), COLLECT, parallelism=2)])
    assert run(job) == [0, 1, 2, 3, 4]
    assert (source.opened, source.closed) == (5, 5)


def test_a_slow_task_takes_fewer_splits():
    class Until(ScriptedSource):
        """Its first split has no end until all others are open."""

        def open(self, split):
            reader = super().open(split)
            if self.opened == len(self.splits()):
                rest.set()
            return reader

    rest = threading.Event()
    source = Until(X, [Hold(rest)], *([rows(number)] for number in range(1, 50)))
    job = graph([vertex("numbers", reads(source), COLLECT, parallelism=2)])
    assert run(job) == list(range(1, 50))


@pytest.mark.parametrize("kind", ["forward", "rebalance", "hash", "gather", "broadcast"])
def test_every_edge_type_delivers_all_rows(kind):
    job = graph(
        [
            vertex("numbers", reads(numbers([range(40)], [range(40, 80)])), parallelism=2),
            vertex("sink", Custom(Doubled), COLLECT, parallelism=2),
        ],
        ("numbers", "sink", kind),
    )
    assert run(job) == sorted(2 * x for x in range(80) for _ in range(2 if kind == "broadcast" else 1))


def test_a_diamond_finishes_with_one_batch_of_credit():
    job = graph(
        [
            vertex("numbers", reads(numbers([[x] for x in range(100)]))),
            vertex("left", Custom(Doubled), parallelism=2),
            vertex("right", Custom(Doubled), parallelism=2),
            vertex("both", Custom(Doubled), COLLECT, parallelism=2, ports=2),
        ],
        ("numbers", "left", "rebalance"),
        ("numbers", "right", "hash"),
        ("left", "both", "hash", 0),
        ("right", "both", "hash", 1),
    )
    assert run(job) == sorted(4 * x for x in range(100) for _ in range(2))


def test_a_self_join_whose_first_port_waits_for_the_second_finishes_with_one_batch_of_credit():
    class AfterTheBuild(Operator):
        """Holds port 0 back until port 1 has ended, as a join with its build side does."""

        def open(self, ctx):
            self.held, self.built = [], False

        def process(self, port, batch):
            if port == 0 and not self.built:
                self.held.append(batch)
            elif port == 0:
                yield batch

        def on_end(self, port, reason):
            if port == 1:
                self.built = True
                yield from self.held

    job = graph(
        [
            vertex("numbers", reads(numbers([[x] for x in range(100)]))),
            vertex("join", Custom(AfterTheBuild), COLLECT, parallelism=2, ports=2),
        ],
        ("numbers", "join", "hash", 0),
        ("numbers", "join", "hash", 1),
    )
    assert run(job) == list(range(100))


def test_a_side_output_has_its_own_edge():
    job = graph(
        [
            vertex("evens", reads(numbers([range(10)])), Custom(Evens)),
            vertex("even", Custom(Total)),
            vertex("odd", Custom(Doubled)),
            vertex("sink", COLLECT, ports=2),
        ],
        ("evens", "even"),
        ("evens", "odd", "forward", 0, "odd"),
        ("even", "sink", "forward", 0),
        ("odd", "sink", "forward", 1),
    )
    assert run(job) == [2, 6, 10, 14, 18, 20]


def test_a_side_output_without_a_reader_is_dropped():
    assert run(source_to_collect(numbers([range(6)]), Evens)) == [0, 2, 4]


def test_a_reader_without_rows_is_polled_again():
    assert run(source_to_collect(numbers([[1], Pause(3), [2]]))) == [1, 2]


def test_rows_are_not_held_back_while_the_source_waits():
    released = threading.Event()
    job = graph(
        [vertex("numbers", reads(numbers([[1], Hold(released), [2]]))), vertex("sink", COLLECT)],
        ("numbers", "sink", "hash"),
    )
    with closing(start(job, Config())) as batches:
        assert next(batches).column("x").to_pylist() == [1]
        released.set()
        assert [batch.column("x").to_pylist() for batch in batches] == [[2]]


@pytest.mark.parametrize("edges", [0, 1, 3])
def test_a_slow_reader_of_the_results_holds_the_source_back(edges):
    source = numbers([[x] for x in range(1000)])
    names = ["numbers", *(f"passes_{i}" for i in range(edges))]
    chains = [[reads(source)], *([Custom(Doubled)] for _ in range(edges))]
    chains[-1].append(COLLECT)
    job = graph(
        [vertex(name, *chain) for name, chain in zip(names, chains, strict=True)],
        *((up, down, "rebalance") for up, down in itertools.pairwise(names)),
    )
    with closing(start(job)) as batches:
        for _ in range(3):
            next(batches)
        assert source.polls < 8 + 3 * edges
    assert source.polls < 8 + 3 * edges


def test_the_iterator_raises_the_error_of_a_source():
    source = numbers([[1], Crash("disk on fire")])
    with pytest.raises(SourceError, match=r"numbers: InjectedFault: disk on fire in poll") as raised:
        run(source_to_collect(source))
    assert isinstance(raised.value.__cause__, InjectedFault)
    assert (source.opened, source.closed) == (1, 1)


def test_a_failure_ends_tasks_that_wait_for_rows_and_for_credit():
    class Fails(Operator):
        def process(self, port, batch):
            raise ArithmeticError("no more")

    never = threading.Event()
    job = graph(
        [
            vertex("waits", reads(numbers([Hold(never)]))),
            vertex("floods", reads(numbers([[x] for x in range(1000)]))),
            vertex("fails", Custom(Fails), COLLECT, ports=2),
        ],
        ("waits", "fails", "forward", 0),
        ("floods", "fails", "forward", 1),
    )
    with pytest.raises(JobFailed, match="fails: ArithmeticError: no more in process"):
        run(job)


def test_closing_the_iterator_ends_an_endless_job():
    never = threading.Event()
    job = graph(
        [
            vertex("numbers", reads(numbers([[1], Hold(never)])), parallelism=1),
            vertex("explodes", Custom(Exploding), parallelism=2),
            vertex("sink", COLLECT, parallelism=2),
        ],
        ("numbers", "explodes", "broadcast"),
        ("explodes", "sink", "rebalance"),
    )
    with closing(start(job)) as batches:
        assert next(batches).column("x").to_pylist() == [1]


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_while_waiting_for_rows_ends_the_job():
    class Interrupts(Operator):
        """Interrupts the reading thread as a user at the keyboard does, and returns no rows."""

        def process(self, port, batch):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            return ()

    source = numbers([[1], Hold(threading.Event())])
    with pytest.raises(KeyboardInterrupt):
        run(source_to_collect(source, Interrupts))
    assert (source.opened, source.closed) == (1, 1)


def test_an_iterator_closed_before_its_first_batch_has_started_no_task():
    source = numbers([[1]])
    start(source_to_collect(source)).close()
    assert source.opened == 0


def test_a_job_in_this_process_needs_exactly_one_sink_to_read():
    job = graph([vertex("numbers", reads(numbers([]))), vertex("sink", Custom(Doubled))], ("numbers", "sink"))
    with pytest.raises(GraphError, match="exactly one sink"):
        list(start(job))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    splits=st.lists(st.lists(st.lists(st.integers(-99, 99), max_size=9), max_size=4), min_size=1, max_size=3),
    parallelism=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    gate_bytes=st.sampled_from([1, 64, 1 << 20]),
    coalesce_rows=st.sampled_from([1, 4096]),
    kind=st.sampled_from(["hash", "rebalance"]),
)
def test_results_do_not_depend_on_batches_parallelism_or_budgets(splits, parallelism, gate_bytes, coalesce_rows, kind):
    job = graph(
        [
            vertex("numbers", reads(numbers(*splits)), Custom(Evens), parallelism=parallelism[0]),
            vertex("total", Custom(Total), parallelism=parallelism[1]),
            vertex("sink", COLLECT),
        ],
        ("numbers", "total", kind),
        ("total", "sink", "gather"),
    )
    config = Config(gate_bytes=gate_bytes, collect_bytes=gate_bytes, coalesce_rows=coalesce_rows)
    assert sum(run(job, config)) == sum(x for split in splits for batch in split for x in batch if x % 2 == 0)


def test_batches_come_with_the_schema_of_the_sink():
    with closing(start(source_to_collect(numbers([[1]])))) as batches:
        assert next(batches).schema == X
    assert pa.types.is_int64(X.field("x").type)
