"""Live plots: a function that is called periodically, and its output."""

import threading

import pytest
from shown import Paper

import sabotnb as sb
from sabotnb.errors import EnvError
from sabotnb.widgets.live_plot import LivePlot


class Recorded(Paper):
    """A screen that records its bundles, and sets an event when it has shown ``enough``."""

    def __init__(self, enough):
        super().__init__()
        self.last_lines = []
        self.enough = enough
        self.done = threading.Event()

    def show(self, bundle, output):
        super().show(bundle, output)
        self._keep(bundle)

    def replace(self, bundle, output):
        super().replace(bundle, output)
        self._keep(bundle)

    def _keep(self, bundle):
        self.last_lines.append(bundle["text/plain"].splitlines()[-1])
        if len(self.last_lines) == self.enough:
            self.done.set()


def drawing(*steps):
    """Return a function that returns or raises one step per call."""
    left = iter(steps)

    def draw():
        step = next(left)
        if isinstance(step, Exception):
            raise step
        return step

    return draw


def played(enough, *steps):
    screen = Recorded(enough)
    plot = LivePlot(drawing(*steps), 0.01, screen, shown_as_text)
    plot.start()
    assert screen.done.wait(10)
    plot._thread.join(10)
    assert not plot.running
    return screen


def test_it_ends_with_stop_iteration_and_keeps_what_was_drawn_last():
    screen = played(3, 1, 2, 3)
    assert screen.last_lines == ["1", "2", "3"]
    assert screen.texts == ["3"]


def test_an_error_is_shown_and_then_the_next_drawing():
    assert played(3, 1, ValueError("no plot"), 2).last_lines == ["1", "ValueError: no plot", "2"]


def test_an_error_in_the_first_drawing_does_not_end_it():
    assert played(2, ValueError("not yet"), 1).last_lines == ["ValueError: not yet", "1"]


def test_an_equal_drawing_is_not_sent_again():
    assert played(2, 1, 1, 1, 2, 2).last_lines == ["1", "2"]


@pytest.fixture
def pyplot(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("MPLBACKEND", "agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def shown_as_text(drawn):
    return {"text/plain": str(drawn)}


def test_functions_that_open_figures_draw_one_at_a_time(pyplot):
    order = []

    def draw():
        who = threading.current_thread()
        pyplot.figure()
        order.append(who)
        drawn.wait(0.01)  # yields the processor to the other thread
        order.append(who)
        if len(order) > 20:
            drawn.set()

    drawn = threading.Event()
    plots = [LivePlot(draw, 0.001, Paper(), shown_as_text) for _ in range(2)]
    for plot in plots:
        plot.start()
    assert drawn.wait(10)
    for plot in plots:
        plot.stop()
    assert order[::2] == order[1::2]
    assert pyplot.get_fignums() == []


def test_a_slow_function_blocks_no_cell_before_it_opens_a_figure(pyplot):
    calls = iter(range(100))
    reached, go = threading.Event(), threading.Event()

    def slow():
        if next(calls):
            reached.set()
            assert go.wait(10)
        pyplot.figure()

    plot = LivePlot(slow, 0.001, Paper(), shown_as_text)
    plot.start()
    assert reached.wait(10)
    assert played(3, 1, 2, 3).last_lines == ["1", "2", "3"]
    other = LivePlot(pyplot.figure, 60, Paper(), shown_as_text)
    other.start(once=True)
    assert other._screen.texts[0].startswith("Figure(")
    go.set()
    plot.stop()


def test_figures_of_other_threads_stay_open(pyplot):
    mine = pyplot.figure()
    LivePlot(pyplot.figure, 60, Paper(), shown_as_text).start(once=True)
    assert pyplot.get_fignums() == [mine.number]


def test_stopping_waits_for_the_drawing_in_progress(pyplot):
    calls = iter(range(100))
    reached = threading.Event()

    def slow():
        pyplot.figure()
        if next(calls):
            reached.set()
            assert plot._stopped.wait(10)

    plot = LivePlot(slow, 0.001, Paper(), shown_as_text)
    plot.start()
    assert reached.wait(10)
    plot.stop()
    assert pyplot.get_fignums() == []
    assert not plot._thread.is_alive()


def test_a_function_may_stop_itself():
    screen = Recorded(2)

    def draw():
        if screen.last_lines:
            plot.stop()
        return len(screen.last_lines)

    plot = LivePlot(draw, 0.001, screen, shown_as_text)
    plot.start()
    plot._thread.join(10)
    assert screen.last_lines == ["0"]


def test_without_a_notebook_a_live_plot_is_refused():
    with pytest.raises(EnvError, match="in the output of a notebook's cell"):
        sb.live(lambda: 1)
