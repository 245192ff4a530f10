"""Requests as JSON: what an earlier version wrote stays readable, what a later one wrote is refused."""

import json

import pytest
from stored_runs import checkpointed

from sabotnb.errors import StoreError
from sabotnb.job_store.request_codec import read_request, written_request


def test_fields_that_were_added_since_take_their_defaults():
    made = checkpointed()
    written = json.loads(written_request(made))
    assert "levels" not in written
    assert "placement" not in written
    assert read_request(json.dumps(written)) == made


def test_a_field_that_is_not_known_is_refused():
    written = json.loads(written_request(checkpointed())) | {"later": 1}
    with pytest.raises(StoreError, match=r"cannot be read .*later.*Resume it with the version of sabotnb that started"):
        read_request(json.dumps(written))
