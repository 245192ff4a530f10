"""Keeps the job stores and checkpoints of tests out of the user's data folder."""

import logging
import os
import shutil
import signal
import tempfile
from itertools import count

import pytest

_DATA = tempfile.mkdtemp(prefix="sabotnb-data-")
os.environ["SABOTNB_DATA"] = _DATA

# Dask gives its loggers a handler of their own where the root has none. Then pytest captures their records apart, with
# the handler that captures all others, and a cluster that silences Dask's handlers silences that one.
logging.getLogger().addHandler(logging.NullHandler())


_NUMBERS = count()


@pytest.fixture(autouse=True)
def own_data(monkeypatch):
    """Give the clusters of each test a job store of their own; those that tests share keep the one of all."""
    monkeypatch.setenv("SABOTNB_DATA", f"{_DATA}/{next(_NUMBERS)}")


@pytest.fixture
def interrupts():
    """Let SIGINT raise KeyboardInterrupt, as in a session; processes of pytest-xdist ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_unconfigure():
    shutil.rmtree(_DATA, ignore_errors=True)
