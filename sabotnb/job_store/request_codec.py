"""Write a job's request as JSON for the store, and read it again. Nothing is unpickled.

A request that an earlier version wrote stays readable: fields with their default values are left out, and a field that
was added since takes its default.
"""

from __future__ import annotations

import json
from dataclasses import replace

from sabotnb.errors import SabotnbError, StoreError
from sabotnb.graph import read_plain, write_plain
from sabotnb.protocol import JobRequest
from sabotnb.storage import cut_from_plain, cut_to_plain

_START = "start_from"


def written_request(request: JobRequest) -> str:
    """Return ``request`` as JSON, with all of its fields."""
    data = write_plain(replace(request, start_from=None))
    if request.start_from is not None:  # its snapshots are by task, and JSON has only strings as keys
        data[_START] = cut_to_plain(request.start_from)
    return json.dumps(data, separators=(",", ":"))


def read_request(text: str) -> JobRequest:
    """Return the request that ``written_request`` wrote; StoreError if this version does not know all of it."""
    try:
        data = json.loads(text)
        start = data.pop(_START, None)
        request: JobRequest = read_plain(JobRequest, data)
        return request if start is None else replace(request, start_from=cut_from_plain(start))
    except (SabotnbError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise StoreError(
            f"the request of the run cannot be read ({error}). Resume it with the version of sabotnb that started it"
        ) from error
