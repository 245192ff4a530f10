from __future__ import annotations

import pyarrow as pa
import pytest

from sabotnb import connectors
from sabotnb.connectors.sources.batch_source import BatchSource
from sabotnb.protocol.source import Finished


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now


def undelayed(polled):
    """The delayed rows without their clocks."""
    return polled.rows.slice(0, 0) if polled.delayed is None else polled.delayed.select(polled.rows.schema.names)


def drain(reader, max_rows=65_536):
    """All batches that a reader has, until it is finished."""
    batches = []
    while not isinstance(polled := reader.poll(max_rows), Finished):
        if polled is not None:
            batches += [batch for batch in (polled.rows, undelayed(polled)) if batch.num_rows]
    reader.close()
    return batches


def read_all(spec, max_rows=65_536, connector=None):
    """Every row of a source, split by split; ``connector`` is one made for it with other sizes than the usual."""
    source = connectors.source(spec) if connector is None else BatchSource(spec, connector)
    batches = [batch for split in source.splits() for batch in drain(source.open(split), max_rows)]
    assert all(0 < batch.num_rows <= max_rows for batch in batches)
    return pa.Table.from_batches(batches, spec.schema)


@pytest.fixture(scope="session")
def read():
    return read_all


@pytest.fixture
def clock():
    return Clock()


def options_of(error):
    """The options that the message of an error advises first, as values: ``schema={'x': pa.uint64()}``."""
    message, options = str(error), {}
    for name in ("schema", "null_values", "separator"):
        _, found, rest = message.partition(f"{name}=")
        for end in range(1, len(rest) + 1 if found else 0):
            try:
                options[name] = eval(rest[:end], {"pa": pa})
            except SyntaxError:
                continue
            break
    return options


@pytest.fixture(scope="session")
def advised():
    return options_of
