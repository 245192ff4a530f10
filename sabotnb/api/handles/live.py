"""Drawing again and again what a function returns."""

from __future__ import annotations

from collections.abc import Callable

from sabotnb.api.boundary import folding
from sabotnb.api.verbs.verb_options import Duration, seconds
from sabotnb.errors import EnvError
from sabotnb.ipython import shell
from sabotnb.widgets.live_plot import LivePlot

LEAST_SECONDS = 0.2


@folding
def live(fn: Callable[[], object], every: Duration | float = 1) -> LivePlot:
    """Show what ``fn`` returns (a figure, a frame, anything a cell can show), and again every ``every`` in its place.

    Returns at once; ``fn`` is called in a thread of its own, at most five times a second. What it raises is shown and
    it is called again; StopIteration ends it, as do ``.stop()``, which waits for a call under way, and the cell when it
    runs again. Under ``SABOTNB_DISPLAY=static`` it is called once. With pyplot (of matplotlib 3.7 or later) let ``fn``
    open a figure of its own (``plt.subplots()``), as late as it can: other cells and plots wait while it is open.

    Raises:
        EnvError: no notebook and no IPython is there to draw in.
    """
    if shell.running_shell() is None:
        raise EnvError("sb.live draws in the output of a notebook's cell, and there is none here: call fn() itself")
    plot = LivePlot(fn, max(LEAST_SECONDS, seconds(every) or 0.0))
    plot.start(once=shell.mode() != "widget")
    return plot
