import pytest

from sabotnb.cli.bench.recovery.lost_worker import Arrival, recovered

LOST_AT = 10.0
RESTARTED_AT = 11.0
BEFORE = [(9.0, 0.1), (9.5, 0.2)]
"""A result is late at 0.45 s then."""


@pytest.mark.parametrize(
    ("after", "now", "found"),
    [
        pytest.param([], 20, None, id="silence"),
        pytest.param([(10.1, 0.2)], 20, None, id="what was under way does not count"),
        pytest.param([(10.1, 0.2), (12, 2.0), (12.1, 1.0)], 20, None, id="not yet on time"),
        pytest.param([(10.1, 0.2), (12, 2.0), (12.5, 0.4)], 15, None, id="not quiet for long enough"),
        pytest.param([(10.1, 0.2), (12, 2.0), (12.5, 0.4)], 16, (2.0, 2.5), id="on time"),
        pytest.param([(10.1, 0.2), (12, 0.3), (12.1, 0.3)], 16, (2.0, 2.0), id="never late"),
        pytest.param([(12, 2.0), (12.5, 0.4), (13, 0.5), (14, 0.3)], 18, (2.0, 4.0), id="late once more"),
    ],
)
def test_results_have_recovered_when_none_is_late_any_more(after, now, found):
    arrivals = [Arrival(*one) for one in [*BEFORE, *after]]
    assert recovered(arrivals, LOST_AT, RESTARTED_AT, now) == (None if found is None else pytest.approx(found))
