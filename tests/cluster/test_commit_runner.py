import pytest

from sabotnb.cluster.commit_runner import commit_failure
from sabotnb.errors import SinkError
from sabotnb.protocol import Commit, RunId


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
