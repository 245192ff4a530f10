"""Requests as JSON: what an earlier version wrote stays readable, what a later one wrote is refused."""

import json

import pytest
from filled_dataclasses import filled
from stored_runs import checkpointed

from sabotnb.errors import StoreError
from sabotnb.job_store.request_codec import read_request, written_request
from sabotnb.protocol import JobRequest


def test_every_field_comes_back():
    made = filled(JobRequest)
    assert read_request(written_request(made)) == made


def test_what_is_not_a_request_is_refused():
    for text in ("torn", "[]", "{}", '{"start_from": {}}', '{"start_from": {"tasks": []}}'):
        with pytest.raises(StoreError, match="the request of the run cannot be read"):
            read_request(text)


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
