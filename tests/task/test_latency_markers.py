import json

from sabotnb.protocol.elements import Marker
from sabotnb.task.latency_markers import LatencyMarkers, age_of
from sabotnb.testing import ManualClock


def test_a_marker_is_due_with_the_first_rows_and_then_once_a_second():
    clock = ManualClock(1000.0)
    markers = LatencyMarkers("flights", clock)
    sent = []
    for _ in range(10):
        marker = markers.due()
        if marker is not None:
            sent.append(json.loads(marker.payload))
        clock.advance(0.25)
    assert sent == [
        {"at": 1000.0, "source": "flights", "seq": 1},
        {"at": 1001.0, "source": "flights", "seq": 2},
        {"at": 1002.0, "source": "flights", "seq": 3},
    ]


def test_markers_continue_after_the_clock_was_set_back():
    times = iter([1000.0, 400.0, 400.5])
    markers = LatencyMarkers("flights", lambda: next(times))
    assert [markers.due() is not None for _ in range(3)] == [True, True, False]


def test_the_age_of_a_marker_is_never_negative():
    marker = LatencyMarkers("flights", ManualClock(50.0)).due()
    assert isinstance(marker, Marker)
    assert (age_of(marker, 50.75), age_of(marker, 49.0)) == (0.75, 0.0)
