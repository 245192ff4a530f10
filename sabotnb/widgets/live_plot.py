"""Calls a user's function periodically and shows what it returns, always in the same output.

Theory of operation. The function runs in a daemon thread per plot. pyplot has one global set of open figures, and
matplotlib's inline backend shows and closes all of them at the end of a cell. Two rules keep drawings and cells apart.
A drawing that opens a figure with pyplot holds ``_pyplot_lock`` from its first figure to its end, so that drawings of
several plots do not mix; a hook in pyplot's settings reports each new figure to the thread that opens it. And a cell
that ends waits for that lock, up to ``PATIENCE_SECONDS``, before its own figures are shown. A function that opens no
figure takes no lock and may be slow.
"""

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
"""How long the end of a cell waits for a drawing that has opened a figure."""

HOOK = f"{__name__}:figure_opened"
"""The function that pyplot calls for each new figure, as its setting ``figure.hooks`` spells it."""

_pyplot_lock = threading.RLock()
"""Held by a drawing from its first figure to its end: pyplot has one set of open figures for all threads."""


class _Drawing(threading.local):
    """The figures of this thread's drawing."""

    figures: list[Any] | None = None
    """The figures it has opened; None while this thread does not draw."""


_current = _Drawing()

Look = Callable[[object], Bundle]
"""Renders an object, by MIME type; empty if it has no representation."""


class LivePlot:
    """Calls ``draw`` every ``every`` seconds, in a daemon thread, and shows what it returns.

    An exception is shown instead, and the calls continue. StopIteration ends them and keeps the last drawing; so does
    the next run of its cell.
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
        """Draw for the first time, in the running cell, and then periodically unless ``once``."""
        self._last_bundle = self._bundle() or {}
        self._screen.show(self._last_bundle, self._output)
        if not once and not self._stopped.is_set():
            shell.listen(self)
            shell.before_figures(_show_figures)
            self._thread.start()

    def stop(self) -> None:
        """Stop drawing. Waits for a drawing in progress, which is not shown; can be interrupted."""
        self._end()
        if _current.figures is None and self._thread.is_alive():  # a function that stops itself must not join itself
            self._thread.join()

    def _end(self) -> None:
        self._stopped.set()
        shell.unlisten(self)

    @property
    def running(self) -> bool:
        """True until it is stopped or stops itself."""
        return self._thread.is_alive() and not self._stopped.is_set()

    def cell_started(self, cell: str) -> None:
        if cell == self._cell:
            self._end()

    def cell_ended(self, cell: str) -> None:
        """Do nothing: it stopped when the cell started."""

    def _ipython_display_(self) -> None:
        """Do nothing: it is already shown where it was created."""

    def __repr__(self) -> str:
        return f"live every {self._every:g} s" if self.running else "live: stopped"

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            bundle = self._bundle()
            if bundle is not None and bundle != self._last_bundle and not self._stopped.is_set():
                self._last_bundle = bundle
                self._screen.replace(bundle, self._output)

    def _bundle(self) -> Bundle | None:
        """Return the next drawing or error; None if the function has ended."""
        with _own_figures() as figures:
            try:
                return self._look(_picture_of(_noting_figures(self._draw), figures))
            except StopIteration:
                self._end()
                return None
            except Exception as error:  # noqa: BLE001  the user's function may raise anything; its output shows it
                text = user_traceback(error)
                return {"text/html": theme.panel(theme.verbatim(text)), "text/plain": text}


def in_notebook(drawn: object) -> Bundle:
    """Return the representation of an object in the running IPython."""
    data: dict[str, Any]
    data, _ = shell.running_shell().display_formatter.format(drawn)
    return data


@contextmanager
def _own_figures() -> Iterator[list[Any]]:
    """Collect the figures that this thread opens, and close them at the end: else the notebook would show them again.

    No lock is held before the first figure: a function may take its time to fetch the data that it draws.
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
    """Register ``figure_opened`` with pyplot, before every drawing: users may reset its settings in between."""
    if "matplotlib.pyplot" in sys.modules:
        settings = sys.modules["matplotlib"].rcParams
        if HOOK not in settings["figure.hooks"]:
            settings["figure.hooks"] = [*settings["figure.hooks"], HOOK]


def _noting_figures(draw: Callable[[], object]) -> object:
    """Call ``draw``; if it imports pyplot itself, without the hook, all figures that are open then are its own."""
    loaded = "matplotlib.pyplot" in sys.modules
    try:
        return draw()
    finally:
        if not loaded and "matplotlib.pyplot" in sys.modules:
            pyplot: Any = sys.modules["matplotlib.pyplot"]
            for number in pyplot.get_fignums():
                figure_opened(pyplot.figure(number))


def figure_opened(figure: object) -> None:
    """Record a new figure of a drawing; pyplot calls this in the thread that opens the figure."""
    if _current.figures is not None:
        if not _current.figures:
            _pyplot_lock.acquire()
        _current.figures.append(figure)


def _picture_of(drawn: object, figures: Sequence[object]) -> object:
    """Return the figure of what was drawn; for a function that returns None, the last figure that it opened."""
    if "matplotlib.figure" not in sys.modules:
        return drawn
    if drawn is None and figures:
        return figures[-1]
    inside = getattr(drawn, "figure", None)
    return inside if isinstance(inside, sys.modules["matplotlib.figure"].Figure) else drawn


def _show_figures() -> None:
    """Show the figures of the cell that ends while no drawing is in progress, so that no half drawing is shown."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    if inline is not None and _pyplot_lock.acquire(timeout=PATIENCE_SECONDS):
        try:
            inline.flush_figures()
        finally:
            _pyplot_lock.release()
