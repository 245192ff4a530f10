"""The conformance suite of recovery: subclass it in a test file to test an operator.

Needs pytest and hypothesis (``pip install 'sabotnb[test]'``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sabotnb.config import Config
from sabotnb.testing.recovery import EndPort, Recovery, Step

SHORT = 6
"""Steps of a script up to which it is cut at every position."""

# Each subclass runs the same test with another operator, so there is nothing to replay from one to the other.
DRAWN = settings(
    max_examples=int(os.environ.get("SABOTNB_EXAMPLES", "8")),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.differing_executors],
)
"""Settings of every drawn test here; ``SABOTNB_EXAMPLES`` is the number of scripts that each draws."""


class RecoverySuite:
    """Tests that an operator that is restored from a cut goes on as one that was never cut.

    A subclass sets ``steps`` and defines ``recovery``::

        class TestDistinct(RecoverySuite):
            steps = st.lists(st.builds(Push, ROWS), max_size=5).map(lambda pushes: [*pushes, EndPort()])

            def recovery(self):
                return Recovery.of(Distinct(("k",)), SCHEMA)
    """

    steps: st.SearchStrategy[Sequence[Step]]
    """Draws scripts. Watermarks must rise, and no rows may follow the end of their port."""

    rescales: Sequence[tuple[int, int]] = ((2, 1), (1, 2), (2, 3))
    """Numbers of tasks before and after a cut; none for an operator that runs in one task."""

    def recovery(self) -> Recovery:
        """Return the operator, how rows come to it and what it returns."""
        raise NotImplementedError

    @given(data=st.data())
    @DRAWN
    def test_a_restored_operator_goes_on(self, data: st.DataObject) -> None:
        steps = data.draw(self.steps)
        ends_last = data.draw(st.booleans())
        every = range(len(steps) + 1)
        for at in every if len(steps) <= SHORT else sorted(data.draw(st.sets(st.sampled_from(every), min_size=1))):
            self.recovery().check(steps, at, ends_last=ends_last)

    @given(data=st.data())
    @DRAWN
    def test_a_cut_divides_the_results_of_an_end(self, data: st.DataObject) -> None:
        recovery = self.recovery()
        small = replace(recovery, config=replace(recovery.config or Config(), batch_rows=1))
        steps = data.draw(self.steps)
        before, after = data.draw(st.sampled_from([(1, 1), *self.rescales]))
        for at in (at for at, step in enumerate(steps) if isinstance(step, EndPort)):
            results = data.draw(st.integers(0, 4))
            small.check(steps, at, before=before, after=after, results=results, ends_last=data.draw(st.booleans()))

    @given(data=st.data())
    @DRAWN
    def test_states_are_divided_over_other_tasks(self, data: st.DataObject) -> None:
        if not self.rescales:
            pytest.skip("the operator runs in one task")
        before, after = data.draw(st.sampled_from(self.rescales))
        steps = data.draw(self.steps)
        at = data.draw(st.integers(0, len(steps)))
        self.recovery().check(steps, at, before=before, after=after, ends_last=data.draw(st.booleans()))
