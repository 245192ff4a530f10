"""Outputs of cells that show one run or table, and their replacement when it ends.

Theory of operation. An output belongs to the cell that ran when it was added; a cell has at most one. It is in one of
three states: *shown*; *cleared*, from the start of the next run of its cell until that run ends or shows the output
again; *removed*. When a run ends, the kernel replaces each output by its display id. It cannot do that on a page that
was loaded after the output was shown, because that page has the output from the notebook's file, without a display id.
Such an output is marked ``elsewhere``: ``end`` keeps it, so that its widget stays open and its page can replace it.

``shell`` calls ``cell_started`` and ``cell_ended`` in the kernel's main thread, while ``end`` may come from any
thread. The lock guards the tables only: the screen and ``unseen`` are called outside it, as both may call back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from sabotnb.ipython import shell

Bundle = Mapping[str, Any]
"""The content of an output, by MIME type."""

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class Screen(Protocol):
    """The place where outputs appear. Its methods may be called from any thread."""

    def show(self, bundle: Bundle, output: str) -> None:
        """Add an output to the running cell."""
        ...

    def replace(self, bundle: Bundle, output: str) -> None:
        """Replace every output that was shown under this name by ``bundle``."""
        ...


class Notebook:
    """The outputs of the running IPython; in a terminal it prints the text of each bundle."""

    def show(self, bundle: Bundle, output: str) -> None:
        from IPython.display import display

        display(dict(bundle), raw=True, display_id=output)

    def replace(self, bundle: Bundle, output: str) -> None:
        from IPython.display import update_display

        update_display(dict(bundle), raw=True, display_id=output)


def new_output() -> str:
    """Return a unique name for an output."""
    return f"sabotnb-{uuid4().hex}"


def with_view(model: str, bundle: Bundle) -> Bundle:
    """Return ``bundle`` with a view of a widget first; a front end without widgets shows the rest."""
    return {WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": model}, **bundle}


@dataclass(slots=True)
class _CellOutput:
    """An output, the page that it was shown on, and whether another page shows it, too."""

    output: str
    page: str
    elsewhere: bool = False


class CellOutputs:
    """The outputs of one run or table, at most one per cell. Thread-safe.

    A cell that runs again without showing it loses its output. ``unseen`` is called when the last output is lost.
    """

    def __init__(self, screen: Screen, unseen: Callable[[], None]) -> None:
        self._screen = screen
        self._unseen = unseen
        self._lock = threading.Lock()
        self._by_cell: dict[str, _CellOutput] = {}
        """Outputs by the id of their cell; for cells without an id, by the name of the output."""
        self._cleared: set[str] = set()
        """Cells that run again and have not shown their output since."""

    def __bool__(self) -> bool:
        return bool(self._by_cell)

    def add(self, bundle: Bundle) -> None:
        """Show ``bundle`` in the running cell."""
        output = new_output()
        cell = shell.cell_id() or output
        with self._lock:
            self._by_cell[cell] = _CellOutput(output, shell.page())
            self._cleared.discard(cell)
        shell.listen(self)
        self._screen.show(bundle, output)

    def note_page(self) -> None:
        """Record that the page whose message is handled shows these outputs. Idempotent."""
        page = shell.page()
        with self._lock:
            for shown in self._by_cell.values():
                shown.elsewhere = shown.elsewhere or shown.page != page

    def end(self, bundle: Bundle | None) -> bool:
        """Replace all outputs by ``bundle``; return True if some remain that the kernel cannot replace."""
        with self._lock:
            outputs = [shown.output for shown in self._by_cell.values()]
            self._by_cell = {cell: shown for cell, shown in self._by_cell.items() if shown.elsewhere}
            self._cleared.intersection_update(self._by_cell)
            remain = bool(self._by_cell)
        if not remain:
            shell.unlisten(self)
        if bundle is not None:
            for output in outputs:
                self._screen.replace(bundle, output)
        return remain

    def cell_started(self, cell: str) -> None:
        with self._lock:
            if cell in self._by_cell:
                self._cleared.add(cell)

    def cell_ended(self, cell: str) -> None:
        with self._lock:
            if cell not in self._cleared:
                return
            self._cleared.discard(cell)
            del self._by_cell[cell]
            seen = bool(self._by_cell)
        if not seen:
            shell.unlisten(self)
            self._unseen()
