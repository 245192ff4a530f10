import json

from sabotnb.protocol.elements import Marker
from sabotnb.task.latency_markers import Departures, age_of
from sabotnb.testing import ManualClock


def test_a_marker_is_due_with_the_first_rows_and_then_once_a_second():
    clock = ManualClock(1000.0)
    departures = Departures("flights", clock)
    sent = []
    for _ in range(10):
        marker = departures.due()
        if marker is not None:
            sent.append(json.loads(marker.payload))
        clock.advance(0.25)
    assert sent == [
        {"at": 1000.0, "source": "flights", "seq": 1},
        {"at": 1001.0, "source": "flights", "seq": 2},
        {"at": 1002.0, "source": "flights", "seq": 3},
    ]


def test_a_clock_that_is_set_back_goes_on_sending():
    times = iter([1000.0, 400.0, 400.5])
    departures = Departures("flights", lambda: next(times))
    assert [departures.due() is not None for _ in range(3)] == [True, True, False]


def test_the_age_of_a_marker_is_never_negative():
    marker = Departures("flights", ManualClock(50.0)).due()
    assert isinstance(marker, Marker)
    assert (age_of(marker, 50.75), age_of(marker, 49.0)) == (0.75, 0.0)
