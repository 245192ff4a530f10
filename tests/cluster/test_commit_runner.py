from dataclasses import replace

import pytest
from sink_runs import SCHEMA, SinkRun, numbers

from sabotnb.cluster.commit_runner import commit_failure, commit_or_abort
from sabotnb.errors import SinkError
from sabotnb.graph import Operator
from sabotnb.plan import ExecutionGraph, Vertex, execution_graph_codec
from sabotnb.protocol import Commit, LineageCut, RunId


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (SinkError("no room"), "SinkError", "committing the output of job 's': no room"),
        (SystemExit(3), "SinkError", "committing the output of job 's' raised SystemExit: 3: run it again"),
        (KeyError("a"), "SinkError", "committing the output of job 's' raised KeyError: 'a': run it again"),
    ],
)
def test_what_a_commit_raised_is_said_with_its_class(error, kind, message):
    failure = commit_failure(Commit("agent-1", RunId("s", 1), 1, "commit", b"", ()), error)
    assert (failure.error, failure.message) == (kind, message)


def commit_of(run, committables, **options):
    """What the machine asks an agent for, for the sinks of ``run``."""
    vertices = {
        name: Vertex(name, (Operator(name, spec),), (SCHEMA,), (SCHEMA,), 2) for name, spec in run.specs.items()
    }
    dumped, blobs = execution_graph_codec.dump(ExecutionGraph(vertices, (), {}, 128))
    return Commit("agent-1", run.run, run.epoch, "commit", dumped, tuple(committables), **options), blobs


def test_a_commit_of_a_cut_lets_the_run_go_on(tmp_path):
    out = tmp_path / "out"
    run = SinkRun(out, number=2).open()
    commit_or_abort(*commit_of(run, run.write(1, cut=1), cut=1))
    commit_or_abort(*commit_of(run, run.write(2, cut=2), cut=2))
    assert numbers(out) == [1, 2]
    run.close()
    back = SinkRun(out, number=3).open()
    commit_or_abort(*commit_of(back, back.write(3, cut=3), cut=3, lineage=(LineageCut(RunId("job", 2), 1, 1),)))
    last = back.write(4)
    back.close()
    commit_or_abort(*commit_of(back, last, lineage=(LineageCut(RunId("job", 2), 1, 1),)))
    assert numbers(out) == [1, 3, 4]


def test_a_commit_of_a_cut_that_fails_leaves_its_files_for_the_next(tmp_path):
    out = tmp_path / "out"
    run = SinkRun(out).open()
    first = run.write(1, cut=1)
    (out / "mine.csv").write_text("n\n100\n")
    with pytest.raises(SinkError, match="did not write"):
        commit_or_abort(*commit_of(run, first, cut=1))
    (out / "mine.csv").unlink()
    commit_or_abort(*commit_of(run, first, cut=1))
    assert numbers(out) == [1]
    run.close()


def test_an_abort_after_a_commit_that_failed_saves_the_rows_of_stored_cuts(tmp_path):
    out = tmp_path / "out"
    run = SinkRun(out).open()
    commit_or_abort(*commit_of(run, run.write(1, cut=1), cut=1))
    second = run.write(2, cut=2)
    (out / "mine.csv").write_text("n\n100\n")
    run.close()
    abort, blobs = commit_of(run, second)
    kept = commit_or_abort(replace(abort, action="abort", saves=True), blobs)
    (saved,) = tmp_path.glob("out.unpublished-*")
    assert kept.startswith(f"Nothing is lost: '{saved}' has the rows that were not committed (1), ")
    assert numbers(saved) == [2]
    (out / "mine.csv").unlink()
    assert numbers(out) == [1]


def test_an_abort_removes_what_was_never_to_be_committed(tmp_path):
    run = SinkRun(tmp_path / "out").open()
    prepared = run.write(1, cut=1)
    run.close()
    abort, blobs = commit_of(run, prepared)
    assert commit_or_abort(replace(abort, action="abort"), blobs) == ""
    assert not list(tmp_path.glob("**/*.csv*"))
