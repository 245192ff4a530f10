"""The answer of each query is the same if its job is cut, killed and restored with other parallelism."""

from functools import cache

import pytest
from restarts import compiled, restarted

from sabotnb.nexmark import streams
from sabotnb.nexmark.queries import QUERIES
from sabotnb.testing import assert_rows

EVENTS = 4000


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@cache
def jobs(name):
    return compiled(QUERIES[name].comparable(streams(EVENTS)))


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for seed, name in enumerate(QUERIES)])
def test_the_answer_is_that_of_a_run_without_cuts(name, tmp_path, seed):
    whole = [row for batch in jobs(name)[0].run_here() for row in batch.to_pylist()]
    assert_rows(restarted(jobs(name), tmp_path, seed, polls=120), whole)
