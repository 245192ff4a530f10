"""CellOutputs of cells that are replaced later: what is shown first, and what takes its place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from sabotnb.ipython import shell

Bundle = Mapping[str, Any]
"""What an output shows, by MIME type."""

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class Screen(Protocol):
    """Where outputs appear. Both may be called from any thread."""

    def show(self, bundle: Bundle, output: str) -> None:
        """Add an output, in the cell that runs."""
        ...

    def replace(self, bundle: Bundle, output: str) -> None:
        """Put ``bundle`` in the place of every output that was shown under this name."""
        ...


class Notebook:
    """The outputs of the running IPython; in a terminal each bundle's text is printed."""

    def show(self, bundle: Bundle, output: str) -> None:
        from IPython.display import display

        display(dict(bundle), raw=True, display_id=output)

    def replace(self, bundle: Bundle, output: str) -> None:
        from IPython.display import update_display

        update_display(dict(bundle), raw=True, display_id=output)


def new_output() -> str:
    """A name for an output that no other has."""
    return f"sabotnb-{uuid4().hex}"


def with_view(model: str, bundle: Bundle) -> Bundle:
    """``bundle`` with a view of a widget in front; who cannot show widgets shows the rest."""
    return {WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": model}, **bundle}


@dataclass(slots=True)
class _CellOutput:
    """An output, the page that it was shown to, and whether another page shows it, too."""

    output: str
    page: str
    elsewhere: bool = False


class CellOutputs:
    """The outputs that show one thing, one per cell. A cell that runs again and does not show it loses its own.

    A page that was loaded later has its outputs from the notebook's file: they cannot be replaced, and need what they
    show as long as they are there. ``unseen`` is called when the last output was lost. Thread-safe.
    """

    def __init__(self, screen: Screen, unseen: Callable[[], None]) -> None:
        self._screen = screen
        self._unseen = unseen
        self._lock = threading.Lock()
        self._by_cell: dict[str, _CellOutput] = {}
        """By the id of its cell; of cells without an id, by the output itself."""
        self._cleared: set[str] = set()
        """Cells that run again, and have not shown it since."""

    def __bool__(self) -> bool:
        return bool(self._by_cell)

    def add(self, bundle: Bundle) -> None:
        """Show ``bundle`` in the cell that runs."""
        output = new_output()
        cell = shell.cell_id() or output
        with self._lock:
            self._by_cell[cell] = _CellOutput(output, shell.page())
            self._cleared.discard(cell)
        shell.listen(self)
        self._screen.show(bundle, output)

    def note_page(self) -> None:
        """Note that the page whose message is handled shows this; may be called for each of its outputs."""
        page = shell.page()
        with self._lock:
            for one in self._by_cell.values():
                one.elsewhere = one.elsewhere or one.page != page

    def end(self, bundle: Bundle | None) -> bool:
        """Put ``bundle`` in the place of all; True if there are some left that cannot be replaced."""
        with self._lock:
            outputs = [one.output for one in self._by_cell.values()]
            self._by_cell = {cell: one for cell, one in self._by_cell.items() if one.elsewhere}
            self._cleared.intersection_update(self._by_cell)
            left = bool(self._by_cell)
        if not left:
            shell.unlisten(self)
        if bundle is not None:
            for output in outputs:
                self._screen.replace(bundle, output)
        return left

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
