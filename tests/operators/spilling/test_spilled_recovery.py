"""Operators with spilled key groups that are restored from a cut go on as if they had never stopped."""

import pytest
from grouped_rows import ORDERED, SCHEMA
from hypothesis import given, settings
from hypothesis import strategies as st
from spilled_specs import ORDERED_SPECS, SPECS, inputs_of, scripts

from sabotnb.config import Config
from sabotnb.testing import EndPort, Recovery

TASKS = st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 3)])
LIMITS = st.sampled_from([1, 1, 3_000])


def check(data, spec, left):
    """Cut and restore at another number of tasks, in front of any step or among the results of an end."""
    config = Config(batch_rows=data.draw(st.sampled_from([1, 3])), state_bytes=data.draw(LIMITS))
    recovery = Recovery.of(spec, *inputs_of(spec, left), config=config)
    steps = data.draw(scripts(spec, left))
    before, after = data.draw(TASKS)
    at = data.draw(st.integers(0, len(steps)))
    ends = at < len(steps) and isinstance(steps[at], EndPort)
    results = data.draw(st.none() | st.integers(0, 6)) if ends else None
    recovery.check(steps, at, before=before, after=after, results=results, ends_last=data.draw(st.booleans()))


@pytest.mark.parametrize("name", SPECS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_restored_operator_goes_on(name, data):
    check(data, SPECS[name], SCHEMA)


@pytest.mark.parametrize("name", ORDERED_SPECS)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_categories_keep_their_order(name, data):
    check(data, ORDERED_SPECS[name], ORDERED)
