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


_NUMBERS = count()


@pytest.fixture(autouse=True)
def own_data(monkeypatch):
    """Give the clusters of each test a job store of their own; those that tests share keep the one of all."""
    monkeypatch.setenv("SABOTNB_DATA", f"{_DATA}/{next(_NUMBERS)}")


@pytest.fixture(autouse=True)
def heard():
    """Let warnings be logged, whatever libraries have done to the loggers of this process in tests before."""
    logging.disable(logging.NOTSET)
    logging.getLogger().setLevel(logging.WARNING)
    for name, logger in [*logging.root.manager.loggerDict.items()]:
        if name.startswith("sabotnb") and isinstance(logger, logging.Logger):
            logger.disabled, logger.propagate = False, True
            logger.setLevel(logging.NOTSET)


@pytest.fixture
def interrupts():
    """Let SIGINT raise KeyboardInterrupt, as in a session; processes of pytest-xdist ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_unconfigure():
    shutil.rmtree(_DATA, ignore_errors=True)
