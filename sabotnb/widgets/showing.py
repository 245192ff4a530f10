"""Shows one run in a notebook: a widget with a view per cell while it runs, a static card at the end.

Theory of operation. A showing is *open* (a widget exists) from the first cell that shows an active run until the run
is over, its cluster is lost, or no cell shows it any more. The publisher calls ``take``, ``miss`` and ``lose`` from its
threads; cells call ``display``; the commands of pages run in threads of their own. One lock guards all state. Metrics
are ordered by version, as rounds of the publisher and of ``settle`` may overtake each other. Nothing changes once
``_over`` is true, except that ``_refresh`` asks a lost cluster again when a user displays the run.

``_end`` has an order that matters: the outputs are replaced before the showing leaves the publisher.
"""

from __future__ import annotations

import threading
import weakref
from functools import cached_property
from typing import TYPE_CHECKING

from sabotnb.display import JobPicture, job_card, job_picture, scenes, theme
from sabotnb.errors import SabotnbError
from sabotnb.ipython import shell
from sabotnb.metrics import JobMetrics, without_tasks
from sabotnb.protocol import RunId
from sabotnb.widgets.cell_outputs import Bundle, CellOutputs, Notebook, Screen, new_output, with_view
from sabotnb.widgets.commands import Commands
from sabotnb.widgets.messages import Graph, Live
from sabotnb.widgets.publisher import Publisher, publisher
from sabotnb.widgets.wait_settled import wait_settled

if TYPE_CHECKING:  # names in annotations alone: describing a stream loads neither Dask nor ipywidgets
    from IPython.display import HTML

    from sabotnb.cluster import ClusterClient
    from sabotnb.widgets.job_widget import JobWidget

SILENT_SECONDS = 1.5
"""Unchanged metrics are sent again after this time: a page marks its view as stale after five seconds."""


class Showing:
    """One run in the outputs of this process; ``showing_of`` returns the same object for the same run. Thread-safe.

    The widget exists while the run is active and a cell shows it. When the run is over, or its cluster is lost, every
    output becomes a static card and the widget is closed, so that the kernel keeps nothing. If a page was reloaded in
    between, which has to replace its outputs itself, the widget stays until the cell runs again.
    """

    def __init__(
        self,
        client: ClusterClient,
        run: RunId,
        note: str = "",
        screen: Screen | None = None,
        news: Publisher = publisher,
    ) -> None:
        self.client = client
        self.run = run
        self._note = note
        self._screen = screen or Notebook()
        self._news = news
        self._lock = threading.RLock()
        self._metrics: JobMetrics | None = None
        self._gone = ""
        self._trouble = ""
        """Why the last request was not answered; empty if it was."""
        self._seq = 0
        self._widget: JobWidget | None = None
        self._embedded = False
        self._outputs = CellOutputs(self._screen, self._unseen)

    def display(self) -> None:
        """Show the run in the running cell; under ``SABOTNB_DISPLAY=static`` once its display is deterministic."""
        mode = self._mode()
        with self._lock:
            if mode == "widget" and not self._over:
                self._show_widget()
                return
        self._screen.show(self._bundle(exact=mode != "static"), new_output())

    def embedded(self) -> JobWidget | HTML:
        """Return the run for notebooks that display values, as marimo does: its widget, or its card if it is over.

        Such an output cannot be replaced, so its widget stays and shows the last metrics until the cell runs again.
        """
        from IPython.display import HTML  # imported late: scripts need no IPython

        static = self._mode() == "static"
        with self._lock:
            if static or self._over:
                return HTML(self._bundle(exact=not static)["text/html"])
            self._embedded = True
            self._widget = self._widget or self._opened()
            self._news.add(self)
            return self._widget

    def _mode(self) -> shell.Mode:
        """Return how to display the run, and update its metrics; static first waits until they are deterministic."""
        mode = shell.mode()
        if mode == "static":
            wait_settled(self.client, self.run)
        self._refresh()
        return mode

    def card(self) -> Bundle:
        """Return the current state of the run as a static card and as text."""
        self._refresh()
        return self._bundle()

    def _bundle(self, *, exact: bool = True) -> Bundle:
        """Return the card of the last metrics; without ``exact`` it is the same in every run."""
        if self._metrics is None:
            text = f"{self.run.job}: {self._gone}"
            return {"text/html": theme.panel(theme.verbatim(text)), "text/plain": text}
        gone = "" if self._metrics.terminal else self._gone
        return {
            "text/html": job_card.html(self._picture, self._metrics, self._note, gone, exact=exact),
            "text/plain": job_card.text(self._picture, self._metrics, self._note, gone, exact=exact),
        }

    def take(self, metrics: JobMetrics) -> None:
        with self._lock:
            newer = self._metrics is None or _is_newer(metrics, self._metrics)
            if self._over or not (newer or self._trouble):
                return
            self._trouble = ""
            if newer:
                self._metrics = metrics
            if metrics.terminal:
                self._end()
            elif self._widget is not None:
                self._widget.show_live(self._live())

    def miss(self, why: str) -> None:
        with self._lock:
            if not self._over and self._widget is not None:
                self._trouble = why
                self._widget.show_live(self._live())

    def lose(self, why: str) -> None:
        with self._lock:
            if not self._over:
                self._gone = why
                self._end()

    @property
    def _over(self) -> bool:
        return bool(self._gone) or (self._metrics is not None and self._metrics.terminal)

    @cached_property
    def _picture(self) -> JobPicture | None:
        """The run's graph with coordinates; None for a run that was not submitted through the API."""
        levels = self.client.levels(self.run)
        return job_picture(scenes(levels)) if levels else None

    def _refresh(self) -> None:
        """Request the run's metrics; without an answer the run counts as lost until it is displayed again."""
        with self._lock:
            if self._metrics is not None and self._metrics.terminal:
                return
            self._gone = ""
        try:
            _ = self._picture
            self.take(self.client.metrics(self.run))
        except SabotnbError as error:
            self.lose(str(error))

    def _show_widget(self) -> None:
        if self._widget is None:
            self._widget = self._opened()
        self._outputs.add(with_view(self._widget.model_id, self._bundle()))
        self._news.add(self)

    def _opened(self) -> JobWidget:
        from sabotnb.widgets.job_widget import JobWidget  # imported late: scripts need no ipywidgets

        assert self._metrics is not None
        graph = Graph(
            self.run.job, self.run.number, self._metrics.bounded, self._note, self._picture or JobPicture((), ())
        )
        widget = JobWidget.of_job(graph, self._live())
        commands = Commands(self.client, self.run, widget.answer, lambda: self._news.settle(self.client, self.run))
        widget.on_message(commands.take)
        widget.on_hello(self._outputs.note_page)
        return widget

    def _live(self) -> Live:
        self._seq += 1
        metrics = None if self._metrics is None else without_tasks(self._metrics)
        return Live(self._seq, metrics, self._gone, self._trouble)

    def _end(self) -> None:
        """Replace outputs by cards; keep the widget only for pages that have to replace their outputs themselves."""
        card = self._bundle() if self._outputs else None
        remain = self._outputs.end(card)
        if self._widget is not None:
            self._widget.show_live(self._live())
            if remain and card is not None:
                self._widget.leave(card)
        if not remain:
            self._close()
        self._news.remove(self)  # last: Publisher.settle waits only for watchers, and has to wait for the cards

    def _unseen(self) -> None:
        with self._lock:
            if not self._outputs:
                self._close()

    def _close(self) -> None:
        self._news.remove(self)
        if self._widget is not None:
            if not self._embedded:
                self._widget.close()
            self._widget = None


def _is_newer(metrics: JobMetrics, known: JobMetrics) -> bool:
    """Return True if pages need ``metrics``: they changed, or a page has to know that the run is still active."""
    if metrics.version == known.version:
        return metrics.at - known.at >= SILENT_SECONDS
    return metrics.version > known.version


_showings: weakref.WeakValueDictionary[tuple[int, RunId], Showing] = weakref.WeakValueDictionary()


def showing_of(client: ClusterClient, run: RunId, note: str = "") -> Showing:
    """Return the showing of a run: one for all of its handles, so that their cells share a widget."""
    showing = _showings.get((id(client), run))
    return showing or _showings.setdefault((id(client), run), Showing(client, run, note))
