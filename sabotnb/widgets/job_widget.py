"""The anywidget model of a job or of a live table: its traits, and the messages between page and kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import anywidget
import traitlets

from sabotnb.widgets.messages import Answer, Graph, Live, TableMessage
from sabotnb.widgets.plain import plain


@cache
def bundle() -> str:
    """Return the front end that ``widgets/`` builds."""
    return (files("sabotnb.widgets") / "static" / "widget.js").read_text(encoding="utf-8")


class JobWidget(anywidget.AnyWidget):
    """A widget of a job (``_face`` is job) or of a live table (table). Its setters may be called from any thread."""

    _esm = bundle()  # as text: anywidget watches a path for changes, and the watch keeps every widget in memory
    _face = traitlets.Unicode("job").tag(sync=True)
    graph = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    live = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    table = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    card = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)

    @classmethod
    def of_job(cls, graph: Graph, live: Live) -> JobWidget:
        """Return a widget of a run."""
        return cls(_face="job", graph=plain(graph), live=plain(live))

    @classmethod
    def of_table(cls, table: TableMessage) -> JobWidget:
        """Return a widget of rows."""
        return cls(_face="table", table=plain(table))

    def show_live(self, live: Live) -> None:
        """Send the run's metrics to every view."""
        self.live = plain(live)

    def show_table(self, table: TableMessage) -> None:
        """Send the rows to every view."""
        self.table = plain(table)

    def leave(self, bundle: Mapping[str, Any]) -> None:
        """Let pages replace their views by ``bundle``, where the kernel cannot do it."""
        self.card = {"model": self.model_id, "data": dict(bundle)}

    def answer(self, answer: Answer) -> None:
        """Send an answer to every view; the view that sent the command knows its id."""
        self.send(plain(answer))

    def close(self) -> None:
        """Close the widget in kernel and pages, and the layout model that ipywidgets creates for it."""
        layout = self.layout
        super().close()
        if layout is not None:
            layout.close()

    def on_hello(self, hear: Callable[[], None]) -> None:
        """Call ``hear`` when a page has drawn a view; from any thread, also while a cell runs."""

        def take(content: Mapping[str, Any]) -> None:
            if content.get("type") == "hello":
                hear()

        self.on_message(take)

    def on_message(self, take: Callable[[Mapping[str, Any]], None]) -> None:
        """Call ``take`` with every message of a page; from any thread, also while a cell runs."""
        # ipykernel routes a page's messages to the shell that sent last, even if the page sends them to a subshell as
        # JupyterLab does. A running cell blocks that shell, so this keeps the subshell that the page chose.
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = lambda _data, chosen: chosen  # noqa: SLF001
        self.on_msg(lambda _widget, content, _buffers: take(content))
