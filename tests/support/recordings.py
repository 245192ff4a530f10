"""Save the metrics of real jobs as JSON, and load them in tests."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import get_args, get_origin, get_type_hints

from sabotnb.metrics import JobMetrics


def write(metrics: JobMetrics, file: Path) -> None:
    """Write ``metrics`` to ``file``."""
    file.write_text(json.dumps(asdict(metrics), indent=1) + "\n")


def read(file: Path) -> JobMetrics:
    """Read metrics from ``file``."""
    return _decoded(JobMetrics, json.loads(file.read_text()))


def _decoded(kind, value):
    """Return a JSON value as the annotated type ``kind``."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        known = [
            item.name for item in fields(kind) if item.name in value
        ]  # fields that are newer than the file have defaults
        return kind(**{name: _decoded(hints[name], value[name]) for name in known})
    if get_origin(kind) is UnionType and value is not None:
        (wanted,) = (member for member in get_args(kind) if member is not NoneType)
        return _decoded(wanted, value)
    if get_origin(kind) is tuple:
        return tuple(_decoded(get_args(kind)[0], item) for item in value)
    return dict(value) if get_origin(kind) is Mapping else value
