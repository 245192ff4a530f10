"""``sb.live``: show what a function returns, and redraw it at intervals."""

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
    """Show what ``fn`` returns (a figure, a frame, anything a cell can show), and redraw it in place every ``every``.

    Returns at once; ``fn`` is called in a separate thread, at most five times a second. An exception is shown, and
    ``fn`` is called again. StopIteration ends it, as does ``.stop()``, which waits for a call under way, or a re-run
    of the cell. Under ``SABOTNB_DISPLAY=static`` it is called once. With pyplot (of matplotlib 3.7 or later) let ``fn``
    open a figure of its own (``plt.subplots()``), as late as it can: other cells and plots wait while it is open.

    Raises:
        EnvError: there is no notebook or IPython to draw in.
    """
    if shell.running_shell() is None:
        raise EnvError("sb.live draws in the output of a notebook's cell, and there is none here: call fn() itself")
    plot = LivePlot(fn, max(LEAST_SECONDS, seconds(every) or 0.0))
    plot.start(once=shell.mode() != "widget")
    return plot
