"""The widget of one run: the bundle that draws it, what it draws, and the way of clicks to the kernel."""

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
    """The front end, as ``widgets/`` builds it."""
    return (files("sabotnb.widgets") / "static" / "widget.js").read_text(encoding="utf-8")


class JobWidget(anywidget.AnyWidget):
    """Shows a job (``_face`` is job) or the rows of a live table (table). Its setters may be called from any thread."""

    _esm = bundle()  # text: a path would be watched, and would hold on to every widget that was ever shown
    _face = traitlets.Unicode("job").tag(sync=True)
    graph = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    live = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    table = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    card = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)

    @classmethod
    def of_job(cls, graph: Graph, live: Live) -> JobWidget:
        """A widget of a run."""
        return cls(_face="job", graph=plain(graph), live=plain(live))

    @classmethod
    def of_table(cls, table: TableMessage) -> JobWidget:
        """A widget of rows."""
        return cls(_face="table", table=plain(table))

    def show_live(self, live: Live) -> None:
        """Send the run's figures to every view."""
        self.live = plain(live)

    def show_table(self, table: TableMessage) -> None:
        """Send the rows to every view."""
        self.table = plain(table)

    def leave(self, bundle: Mapping[str, Any]) -> None:
        """Have pages put ``bundle`` in the place of their views, where the kernel cannot do it."""
        self.card = {"model": self.model_id, "data": dict(bundle)}

    def answer(self, answer: Answer) -> None:
        """Send an answer to every view; the one that asked knows the id."""
        self.send(plain(answer))

    def close(self) -> None:
        """End the widget in kernel and pages, with the layout that ipywidgets gives to each."""
        layout = self.layout
        super().close()
        if layout is not None:
            layout.close()

    def on_hello(self, hear: Callable[[], None]) -> None:
        """Call ``hear`` when a page has drawn a view, from any thread, and while a cell runs."""

        def take(content: Mapping[str, Any]) -> None:
            if content.get("type") == "hello":
                hear()

        self._on_message(take)

    def on_command(self, take: Callable[[Mapping[str, Any]], None]) -> None:
        """Hand every message of a page to ``take``, which may be called from any thread, and while a cell runs."""
        self._on_message(take)

    def _on_message(self, take: Callable[[Mapping[str, Any]], None]) -> None:
        # ipykernel hands a page's messages to the shell that spoke last, which is the one that a running cell blocks,
        # even if the page sends them to a subshell as JupyterLab does; these here may be taken by any.
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = lambda _data, chosen: chosen  # noqa: SLF001
        self.on_msg(lambda _widget, content, _buffers: take(content))
