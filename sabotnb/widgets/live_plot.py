"""Whatever a function of the user returns, drawn again and again in the same place."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sabotnb.blobs import user_traceback
from sabotnb.display import theme
from sabotnb.ipython import shell
from sabotnb.widgets.cell_outputs import Bundle, Notebook, Screen, new_output

PATIENCE_SECONDS = 2.0
"""So long the end of a cell waits for a drawing that has opened a figure."""

HOOK = f"{__name__}:figure_opened"
"""What pyplot is told to call for each new figure."""

_pyplot_lock = threading.RLock()
"""Held by a drawing from the first figure that it opens with pyplot, which has one set of open figures for all."""


class _Drawing(threading.local):
    """The drawing of this thread."""

    figures: list[Any] | None = None
    """What it has opened; None where nobody draws."""


_current = _Drawing()

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
        self._last_bundle: Bundle = {}
        self._thread = threading.Thread(target=self._run, name="sabotnb-live", daemon=True)

    def start(self, *, once: bool = False) -> None:
        """Draw for the first time, in the cell that runs, and then again and again unless ``once``."""
        self._last_bundle = self._bundle() or {}
        self._screen.show(self._last_bundle, self._output)
        if not once and not self._stopped.is_set():
            shell.listen(self)
            shell.before_figures(_show_figures)
            self._thread.start()

    def stop(self) -> None:
        """Draw no more. Waits for a drawing that is under way, which is not shown; can be interrupted."""
        self._end()
        if _current.figures is None and self._thread.is_alive():
            self._thread.join()

    def _end(self) -> None:
        self._stopped.set()
        shell.unlisten(self)

    @property
    def running(self) -> bool:
        """True until it is stopped, or stops itself."""
        return self._thread.is_alive() and not self._stopped.is_set()

    def cell_started(self, cell: str) -> None:
        if cell == self._cell:
            self._end()

    def cell_ended(self, cell: str) -> None:
        """Nothing: it has stopped when the cell started."""

    def _ipython_display_(self) -> None:
        """Nothing: it shows itself where it was made."""

    def __repr__(self) -> str:
        return f"live every {self._every:g} s" if self.running else "live: stopped"

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            bundle = self._bundle()
            if bundle is not None and bundle != self._last_bundle and not self._stopped.is_set():
                self._last_bundle = bundle
                self._screen.replace(bundle, self._output)

    def _bundle(self) -> Bundle | None:
        """What there is to show now; None if it is over."""
        with _own_figures() as figures:
            try:
                return self._look(_picture_of(_noting_figures(self._draw), figures))
            except StopIteration:
                self._end()
                return None
            except Exception as error:  # noqa: BLE001  the user's function may raise anything: it is shown where it draws
                text = user_traceback(error)
                return {"text/html": theme.panel(theme.verbatim(text)), "text/plain": text}


def in_notebook(drawn: object) -> Bundle:
    """How the running IPython shows an object."""
    found: tuple[dict[str, Any], dict[str, Any]] = shell.running_shell().display_formatter.format(drawn)
    return found[0]


@contextmanager
def _own_figures() -> Iterator[list[Any]]:
    """The figures that this thread opens; they are closed at the end, else the notebook would show them again.

    As long as there are none nobody waits for the drawing: it may take its time to get hold of what it draws.
    """
    figures = _current.figures = []
    _hear_of_figures()
    try:
        yield figures
    finally:
        _current.figures = None
        if figures:
            for figure in figures:
                sys.modules["matplotlib.pyplot"].close(figure)
            _pyplot_lock.release()


def _hear_of_figures() -> None:
    """Let pyplot call ``figure_opened``; its settings may have been reset since the last time."""
    if "matplotlib.pyplot" in sys.modules:
        settings = sys.modules["matplotlib"].rcParams
        if HOOK not in settings["figure.hooks"]:
            settings["figure.hooks"] = [*settings["figure.hooks"], HOOK]


def _noting_figures(draw: Callable[[], object]) -> object:
    """Call ``draw``; if it loads pyplot itself, nobody else has opened the figures that there are then."""
    loaded = "matplotlib.pyplot" in sys.modules
    try:
        return draw()
    finally:
        if not loaded and "matplotlib.pyplot" in sys.modules:
            pyplot: Any = sys.modules["matplotlib.pyplot"]
            for number in pyplot.get_fignums():
                figure_opened(pyplot.figure(number))


def figure_opened(figure: object) -> None:
    """Note a figure that pyplot has made for a drawing, before anybody else sees it."""
    if _current.figures is not None:
        if not _current.figures:
            _pyplot_lock.acquire()
        _current.figures.append(figure)


def _picture_of(drawn: object, figures: Sequence[object]) -> object:
    """The figure that something was drawn in; of a function that returns nothing, the last that it has opened."""
    if "matplotlib.figure" not in sys.modules:
        return drawn
    if drawn is None and figures:
        return figures[-1]
    inside = getattr(drawn, "figure", None)
    return inside if isinstance(inside, sys.modules["matplotlib.figure"].Figure) else drawn


def _show_figures() -> None:
    """Show the figures of the cell that ends while nobody draws here; IPython would take half a drawing for one."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    if inline is not None and _pyplot_lock.acquire(timeout=PATIENCE_SECONDS):
        try:
            inline.flush_figures()
        finally:
            _pyplot_lock.release()
