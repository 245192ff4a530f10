from datetime import timedelta

import pytest

from sabotnb.testing import ManualClock


def test_time_passes_by_advancing():
    clock = ManualClock(10)
    assert clock() == clock() == 10
    assert clock.advance(2.5) == clock() == 12.5
    assert clock.advance(timedelta(minutes=1)) == 72.5


def test_time_cannot_go_back():
    with pytest.raises(ValueError, match="go back"):
        ManualClock().advance(-1)
