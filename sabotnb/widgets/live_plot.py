"""Whatever a function of the user returns, drawn again and again in the same place."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from sabotnb.blobs import user_traceback
from sabotnb.display import theme
from sabotnb.widgets import shell
from sabotnb.widgets.outputs import Bundle, Notebook, Screen, new_output

PATIENCE_SECONDS = 2.0
"""So long the end of a cell waits for a drawing that is under way."""

_drawing = threading.RLock()
"""Held while a function draws: pyplot knows one set of open figures, and those that it opens then are its own."""

Look = Callable[[object], Bundle]
"""How an object looks, by MIME type; nothing of what has no looks."""


class LivePlot:
    """Calls ``draw`` every ``every`` seconds, in a daemon thread, and shows what it returns.

    What it raises is shown in its place, and it is called again, but for StopIteration: that ends it, and leaves what
    was drawn last. So does its cell when it runs again.
    """

    def __init__(
        self, draw: Callable[[], object], every: float, screen: Screen | None = None, look: Look | None = None
    ) -> None:
        self._draw = draw
        self._every = every
        self._screen = screen or Notebook()
        self._look = look or in_notebook
        self._output = new_output()
        self._cell = shell.cell_id()
        self._stopped = threading.Event()
        self._shown: Bundle = {}
        self._thread = threading.Thread(target=self._run, name="sabotnb-live", daemon=True)

    def start(self, *, once: bool = False) -> None:
        """Draw for the first time, in the cell that runs, and then again and again unless ``once``."""
        self._shown = self._drawn() or {}
        self._screen.show(self._shown, self._output)
        if not once and not self._stopped.is_set():
            shell.listen(self)
            shell.before_figures(_show_figures)
            self._thread.start()

    def stop(self) -> None:
        """Draw no more. A drawing that is under way is not shown."""
        self._stopped.set()
        shell.forget(self)

    @property
    def running(self) -> bool:
        """True until it is stopped, or stops itself."""
        return self._thread.is_alive() and not self._stopped.is_set()

    def cell_started(self, cell: str) -> None:
        if cell == self._cell:
            self.stop()

    def cell_ended(self, cell: str) -> None:
        """Nothing: it has stopped when the cell started."""

    def _ipython_display_(self) -> None:
        """Nothing: it shows itself where it was made."""

    def __repr__(self) -> str:
        return f"live every {self._every:g} s" if self.running else "live: stopped"

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            drawn = self._drawn()
            if drawn is not None and drawn != self._shown and not self._stopped.is_set():
                self._shown = drawn
                self._screen.replace(drawn, self._output)

    def _drawn(self) -> Bundle | None:
        """What there is to show now; None if it is over."""
        with _drawing:
            before = _open_figures()
            try:
                return self._look(_picture_of(self._draw(), before))
            except StopIteration:
                self.stop()
                return None
            except Exception as error:  # noqa: BLE001  the user's function may raise anything: it is shown where it draws
                text = user_traceback(error)
                return {"text/html": theme.panel(theme.verbatim(text)), "text/plain": text}
            finally:
                _close_figures(_open_figures() - before)


def in_notebook(drawn: object) -> Bundle:
    """How the running IPython shows an object."""
    found: tuple[dict[str, Any], dict[str, Any]] = shell.running_shell().display_formatter.format(drawn)
    return found[0]


def _open_figures() -> set[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set() if pyplot is None else set(pyplot.get_fignums())


def _picture_of(drawn: object, before: set[int]) -> object:
    """The figure that something was drawn in; of a function that returns nothing, the one that it has opened."""
    if "matplotlib.pyplot" not in sys.modules:
        return drawn
    from matplotlib.figure import Figure

    if drawn is None and (new := _open_figures() - before):
        import matplotlib.pyplot as plt

        return plt.figure(max(new))
    inside = getattr(drawn, "figure", None)
    return inside if isinstance(inside, Figure) else drawn


def _show_figures() -> None:
    """Show the figures of the cell that ends while nobody draws here; IPython would take half a drawing for one."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    if inline is not None and _drawing.acquire(timeout=PATIENCE_SECONDS):
        try:
            inline.flush_figures()
        finally:
            _drawing.release()


def _close_figures(numbers: Iterable[int]) -> None:
    """Without this the notebook would show them again, below the next cell."""
    for number in numbers:
        sys.modules["matplotlib.pyplot"].close(number)
