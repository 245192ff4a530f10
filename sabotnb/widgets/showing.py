"""What this process shows of one run: a widget with a view in each cell that shows it, and at the end a picture."""

from __future__ import annotations

import threading
import weakref
from functools import cached_property
from typing import TYPE_CHECKING

from sabotnb.display import JobPicture, job_card, job_picture, theme
from sabotnb.errors import SabotnbError
from sabotnb.ipython import shell
from sabotnb.metrics import JobMetrics, without_tasks
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
"""Figures that are the same are sent again when they are older: a page doubts what it shows after five seconds."""


class Showing:
    """One run in the outputs of this process; ``showing_of`` gives the same one for the same run. Thread-safe.

    The widget is there while the run goes on and a cell shows it. When the run is over, or there are no news of it any
    more, every output becomes a static card and the widget is closed: nothing of it is left in the kernel. Only if a
    page was loaded again meanwhile, which has to replace its outputs itself, it stays until the cell runs again.
    """

    def __init__(
        self,
        client: ClusterClient,
        job: str,
        epoch: int,
        note: str = "",
        screen: Screen | None = None,
        news: Publisher = publisher,
    ) -> None:
        self.client = client
        self.run = (job, epoch)
        self._note = note
        self._screen = screen or Notebook()
        self._news = news
        self._lock = threading.RLock()
        self._metrics: JobMetrics | None = None
        self._gone = ""
        self._trouble = ""
        """Why the last question was not answered; empty if it was."""
        self._seq = 0
        self._widget: JobWidget | None = None
        self._embedded = False
        self._outputs = CellOutputs(self._screen, self._unseen)

    def display(self) -> None:
        """Show the run in the cell that runs; under ``SABOTNB_DISPLAY=static`` when it is over, or endless and runs."""
        mode = self._mode()
        with self._lock:
            if mode == "widget" and not self._over:
                self._show_widget()
                return
        self._screen.show(self._bundle(exact=mode != "static"), new_output())

    def embedded(self) -> JobWidget | HTML:
        """The run for notebooks that show what they are given, as marimo does: its widget, or its card if it is over.

        Such an output cannot be replaced, so its widget stays and shows the last figures until the cell runs again.
        """
        from IPython.display import HTML  # as heavy as the widget

        static = self._mode() == "static"
        with self._lock:
            if static or self._over:
                return HTML(self._bundle(exact=not static)["text/html"])
            self._embedded = True
            self._widget = self._widget or self._opened()
            self._news.add(self)
            return self._widget

    def _mode(self) -> shell.Mode:
        """How the run shows itself now, with what is known of it; static waits until that is settled."""
        mode = shell.mode()
        if mode == "static":
            wait_settled(self.client, self.run)
        self._refresh()
        return mode

    def card(self) -> Bundle:
        """The run as it is now, as a static card and as text."""
        self._refresh()
        return self._bundle()

    def _bundle(self, *, exact: bool = True) -> Bundle:
        """The card of what is known here; without ``exact`` it is the same whenever the run is shown."""
        if self._metrics is None:
            text = f"{self.run[0]}: {self._gone}"
            return {"text/html": theme.panel(theme.verbatim(text)), "text/plain": text}
        gone = "" if self._metrics.terminal else self._gone
        return {
            "text/html": job_card.html(self._picture, self._metrics, self._note, gone, exact=exact),
            "text/plain": job_card.text(self._picture, self._metrics, self._note, gone, exact=exact),
        }

    def take(self, metrics: JobMetrics) -> None:
        with self._lock:
            news = self._metrics is None or _is_news(metrics, self._metrics)
            if self._over or not (news or self._trouble):
                return
            self._trouble = ""
            if news:
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
        """The run's graph with its places; None of runs that were not submitted by the API."""
        scenes = self.client.views(*self.run).get("scenes")
        return job_picture(scenes) if scenes else None

    def _refresh(self) -> None:
        """Learn how the run is now; if nobody answers, it is lost until somebody looks again."""
        with self._lock:
            if self._metrics is not None and self._metrics.terminal:
                return
            self._gone = ""
        try:
            _ = self._picture
            self.take(self.client.metrics(*self.run))
        except SabotnbError as error:
            self.lose(str(error))

    def _show_widget(self) -> None:
        if self._widget is None:
            self._widget = self._opened()
        self._outputs.add(with_view(self._widget.model_id, self._bundle()))
        self._news.add(self)

    def _opened(self) -> JobWidget:
        from sabotnb.widgets.job_widget import JobWidget  # ipywidgets, which no script needs

        assert self._metrics is not None
        graph = Graph(*self.run, self._metrics.bounded, self._note, self._picture or JobPicture((), ()))
        widget = JobWidget.of_job(graph, self._live())
        commands = Commands(self.client, *self.run, widget.answer, lambda: self._news.settle(self.client, self.run))
        widget.on_command(commands.take)
        widget.on_hello(self._outputs.note_page)
        return widget

    def _live(self) -> Live:
        self._seq += 1
        metrics = None if self._metrics is None else without_tasks(self._metrics)
        return Live(self._seq, metrics, self._gone, self._trouble)

    def _end(self) -> None:
        """Leave pictures behind, which need no kernel, and the widget only where a page cannot be given one."""
        card = self._bundle() if self._outputs else None
        left = self._outputs.end(card)
        if self._widget is not None:
            self._widget.show_live(self._live())
            if left and card is not None:
                self._widget.leave(card)
        if not left:
            self._close()
        self._news.remove(self)  # at last: who settles the run meanwhile finds it watched, and waits for the pictures

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


def _is_news(metrics: JobMetrics, known: JobMetrics) -> bool:
    """True if there is something to show: a change, or that the run is known to go on as it did."""
    if metrics.version == known.version:
        return metrics.at - known.at >= SILENT_SECONDS
    return metrics.version > known.version


_showings: weakref.WeakValueDictionary[tuple[int, str, int], Showing] = weakref.WeakValueDictionary()


def showing_of(client: ClusterClient, job: str, epoch: int, note: str = "") -> Showing:
    """What shows this run: one for all handles of it, so that its cells share a widget."""
    showing = _showings.get((id(client), job, epoch))
    return showing or _showings.setdefault((id(client), job, epoch), Showing(client, job, epoch, note))
