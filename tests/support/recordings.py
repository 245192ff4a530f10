"""``JobMetrics`` as JSON and back: figures of real jobs, kept for tests."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import get_args, get_origin, get_type_hints

from sabotnb.metrics import JobMetrics


def write(metrics: JobMetrics, file: Path) -> None:
    """Keep ``metrics`` in ``file``."""
    file.write_text(json.dumps(asdict(metrics), indent=1) + "\n")


def read(file: Path) -> JobMetrics:
    """What was kept in ``file``."""
    return _made(JobMetrics, json.loads(file.read_text()))


def _made(kind, value):
    """``value`` of JSON as what the annotation ``kind`` says."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        known = [item.name for item in fields(kind) if item.name in value]  # what came later has a default
        return kind(**{name: _made(hints[name], value[name]) for name in known})
    if get_origin(kind) is UnionType and value is not None:
        (wanted,) = (one for one in get_args(kind) if one is not NoneType)
        return _made(wanted, value)
    if get_origin(kind) is tuple:
        return tuple(_made(get_args(kind)[0], one) for one in value)
    return dict(value) if get_origin(kind) is Mapping else value
