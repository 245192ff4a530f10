import threading

import pytest


@pytest.fixture(autouse=True)
def no_thread_left():
    """Every test ends with the threads that it began with."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)
    assert set(threading.enumerate()) <= before
