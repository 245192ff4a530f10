"""Write a job's request as JSON for the store, and read it again. Nothing is unpickled.

A request that an earlier version wrote stays readable: fields with their default values are left out, and a field that
was added since takes its default.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from enum import Enum
from typing import Any

from sabotnb.errors import SabotnbError, StoreError
from sabotnb.graph import JsonDecoder
from sabotnb.protocol import JobRequest


def written_request(request: JobRequest) -> str:
    """Return ``request`` as JSON, without the cut of another run that it began from: the run has cuts of its own."""
    return json.dumps(_plain(replace(request, start_from=None, drop_state=())), separators=(",", ":"))


def read_request(text: str) -> JobRequest:
    """Return the request that ``written_request`` wrote; StoreError if this version does not know all of it."""
    try:
        request: JobRequest = JsonDecoder({}, {}, {}).read(JobRequest, json.loads(text))
    except (SabotnbError, TypeError, ValueError) as error:
        raise StoreError(
            f"the request of the run cannot be read ({error}). Resume it with the version of sabotnb that started it"
        ) from error
    return request


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case frozenset():
            return sorted(_plain(item) for item in value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {
                field.name: _plain(content)
                for field in fields(value)
                if (content := getattr(value, field.name)) != _default(field)
            }
    return value


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()
