"""Shows the last rows of a stream or of an operator, as a table that is updated while a run is active.

Theory of operation. The publisher calls ``take`` with the run's metrics about twice a second. That only schedules a
look, as a look may block for seconds and the publisher's thread serves other outputs; ``_looking`` keeps at most one
look in the queue, ``LOOK_SECONDS`` limits their rate. When the run has ended and ``complete`` says that no row can
follow, a last look runs in the publisher's thread, ``_ended`` is set once, and each output becomes a static table.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from sabotnb.display import operator_labels, theme
from sabotnb.display import row_table as tables
from sabotnb.errors import SabotnbError
from sabotnb.ipython import shell
from sabotnb.metrics import JobMetrics
from sabotnb.protocol import RunId
from sabotnb.widgets import samples
from sabotnb.widgets.cell_outputs import Bundle, CellOutputs, Notebook, Screen, new_output, with_view
from sabotnb.widgets.messages import TableMessage
from sabotnb.widgets.publisher import Publisher, publisher
from sabotnb.widgets.serial_queue import SerialQueue
from sabotnb.widgets.wait_settled import wait_settled

if TYPE_CHECKING:  # names in annotations alone: describing a stream loads neither Dask nor ipywidgets
    from sabotnb.cluster import ClusterClient
    from sabotnb.widgets.job_widget import JobWidget

MOST_ROWS = 200
"""The number of rows that a page receives."""
LEFT_ROWS = 20
"""The number of rows in the static table at the end of the job."""
LOOK_SECONDS = 0.5
"""Between two looks, so that a page receives at most two tables a second."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The result of a look: the last rows, the number of rows so far, and a note if there are none."""

    table: pa.Table
    total: int
    note: str = ""


class LiveTable:
    """Shows the result of ``look`` while a run is active, and a static table of the last rows afterwards.

    ``look`` may block for seconds; it is called in a thread of its own, except for the last time. ``complete`` returns
    whether all rows have arrived, which may be later than the end of the run. Thread-safe.
    """

    def __init__(
        self,
        client: ClusterClient,
        run: RunId,
        title: str,
        look: Callable[[], Seen],
        complete: Callable[[], bool] = lambda: True,
        screen: Screen | None = None,
        news: Publisher = publisher,
    ) -> None:
        self.client = client
        self.run = run
        self._title = title
        self._look = look
        self._complete = complete
        self._screen = screen or Notebook()
        self._news = news
        self._lock = threading.RLock()
        self._latest = Seen(pa.table({}), 0)
        self._seq = 0
        self._looks = SerialQueue(f"sabotnb-table-{title}")
        self._looking = False
        self._last_look = 0.0
        self._ended = False
        self._over = False
        self._widget: JobWidget | None = None
        self._outputs = CellOutputs(self._screen, self._unseen)

    @property
    def table(self) -> pa.Table:
        """The last rows: those that a page shows, or the current ones if no page shows the table."""
        self._look_unwatched()
        return self._latest.table

    def stop(self) -> None:
        """End the updates and keep the current rows."""
        with self._lock:
            if not self._ended:
                self._ended = True
                self._end()

    def take(self, metrics: JobMetrics) -> None:
        if metrics.terminal:
            if self._complete():
                self._over = True
                self._refresh()
                self.stop()
            return
        with self._lock:
            if self._looking or time.monotonic() - self._last_look < LOOK_SECONDS:
                return
            self._looking = True
        self._looks.add(self._look_again)

    def miss(self, why: str) -> None:
        """Do nothing: its own looks report why there are no rows."""

    def lose(self, why: str) -> None:
        with self._lock:
            self._latest = Seen(self._latest.table, self._latest.total, why)
        self.stop()

    def bundle(self) -> Bundle:
        """Return the last rows as HTML and as text."""
        seen = self._latest
        last = seen.table.slice(max(0, seen.table.num_rows - LEFT_ROWS))
        line = f"{self._title}: {operator_labels.count(seen.total)}"
        if seen.total > last.num_rows > 0:
            line += f", the last {last.num_rows}"
        empty = "" if seen.total else "The job has ended without any rows." if self._over else "No rows yet."
        lines = [line, *filter(None, [seen.note or empty])]
        if not last.num_columns:
            return {"text/html": theme.panel(theme.sentences(lines)), "text/plain": "\n".join(lines)}
        return {
            "text/html": theme.panel(tables.html(last) + theme.sentences(lines)),
            "text/plain": "\n".join([tables.text(last), *lines]),
        }

    def _ipython_display_(self) -> None:
        mode = shell.mode()
        if mode == "widget" and not self._ended:
            self._show_widget()
            return
        if mode == "static":
            wait_settled(self.client, self.run)
        self._refresh()
        self._screen.show(self.bundle(), new_output())

    def __repr__(self) -> str:
        self._look_unwatched()
        return str(self.bundle()["text/plain"])

    def _look_unwatched(self) -> None:
        if self._widget is None and not self._ended:
            self._refresh()

    def _show_widget(self) -> None:
        from sabotnb.widgets.job_widget import JobWidget  # imported late: scripts need no ipywidgets

        with self._lock:
            if self._widget is None:
                self._widget = JobWidget.of_table(self._message())
                self._widget.on_hello(self._outputs.note_page)
            self._outputs.add(with_view(self._widget.model_id, self.bundle()))
            self._news.add(self)

    def _look_again(self) -> None:
        try:
            self._refresh()
        finally:
            with self._lock:
                self._looking = False
                self._last_look = time.monotonic()

    def _refresh(self) -> None:
        """Look, and send the rows if they changed."""
        try:
            seen = self._look()
        except SabotnbError as error:
            seen = Seen(self._latest.table, self._latest.total, str(error))
        except Exception as error:  # noqa: BLE001  a defect is shown in place of the rows
            seen = Seen(self._latest.table, self._latest.total, f"{type(error).__name__}: {error}")
        with self._lock:
            changed = (seen.total, seen.note) != (self._latest.total, self._latest.note)
            self._latest = seen
            if changed and self._widget is not None:
                self._widget.show_table(self._message())

    def _message(self) -> TableMessage:
        self._seq += 1
        seen = self._latest
        columns, rows = samples.columns(seen.table.schema), samples.rows(seen.table, MOST_ROWS)
        return TableMessage(self._seq, self._title, columns, rows, seen.total, self._ended, seen.note)

    def _end(self) -> None:
        bundle = self.bundle() if self._outputs else None
        remain = self._outputs.end(bundle)
        if self._widget is not None:
            self._widget.show_table(self._message())
            if remain and bundle is not None:
                self._widget.leave(bundle)
        if not remain:
            self._close()
        self._news.remove(self)  # last: Publisher.settle waits only for watchers, and has to wait for the rows

    def _unseen(self) -> None:
        with self._lock:
            self.stop()
            self._close()

    def _close(self) -> None:
        if self._widget is not None:
            self._widget.close()
            self._widget = None
