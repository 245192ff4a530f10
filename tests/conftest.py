"""Keeps the job stores and checkpoints of tests out of the user's data folder."""

import os
import shutil
import tempfile

_DATA = tempfile.mkdtemp(prefix="sabotnb-data-")
os.environ["SABOTNB_DATA"] = _DATA


def pytest_unconfigure():
    shutil.rmtree(_DATA, ignore_errors=True)
