"""The IPython shell of this process, if there is one: its kernel, the running cell, and events of cells.

Every function works without IPython, which is never imported here: its absence from ``sys.modules`` is the answer.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from typing import Any, Literal, Protocol, cast, get_args

from sabotnb.errors import EnvError

Mode = Literal["widget", "static", "text"]


class CellListener(Protocol):
    """An object that a cell shows, and that ends or moves when the cell runs again."""

    def cell_started(self, cell: str) -> None:
        """The cell starts to run: its previous outputs are removed."""
        ...

    def cell_ended(self, cell: str) -> None:
        """The cell has run: its new outputs are complete."""
        ...


_shells: weakref.WeakSet[Any] = weakref.WeakSet()
"""Shells whose cell events call this module."""

_listeners: dict[int, CellListener] = {}


def running_shell() -> Any:
    """Return the running IPython shell, or None; never imports IPython."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def is_shutting_down() -> bool:
    """True if a front end has told the kernel to shut down or to restart."""
    shell = running_shell()
    return getattr(shell, "kernel", None) is not None and bool(shell.exit_now)


def mode() -> Mode:
    """Return how jobs are displayed: as ``SABOTNB_DISPLAY`` says, else as a widget in a kernel and as text elsewhere.

    EnvError if the variable is not one of auto, static, widget and text.
    """
    setting = os.environ.get("SABOTNB_DISPLAY", "auto")
    for known in get_args(Mode):
        if setting == known:
            return cast("Mode", known)
    if setting != "auto":
        raise EnvError(f"SABOTNB_DISPLAY is {setting!r}; choose one of auto, {', '.join(get_args(Mode))}")
    return "widget" if getattr(running_shell(), "kernel", None) is not None else "text"


def cell_id() -> str:
    """Return the front end's id of the running cell; empty if the front end sends none."""
    kernel = getattr(running_shell(), "kernel", None)
    if kernel is None:
        return ""
    return str(kernel.get_parent("shell").get("metadata", {}).get("cellId") or "")


def page() -> str:
    """Return the session of the page whose message is handled; a page that is reloaded has a new session."""
    kernel = getattr(running_shell(), "kernel", None)
    return "" if kernel is None else str(kernel.get_parent("shell").get("header", {}).get("session") or "")


def listen(listener: CellListener) -> None:
    """Call ``listener`` for every run of a cell that has an id, until ``unlisten``."""
    _listeners[id(listener)] = listener
    shell = running_shell()
    if shell is not None and shell not in _shells:
        _shells.add(shell)
        shell.events.register("pre_run_cell", _cell_started)
        shell.events.register("post_run_cell", _cell_ended)


def before_figures(callback: Callable[[], None]) -> None:
    """Call ``callback`` at the end of every cell, before the figures that it left open are shown. Idempotent."""
    shell = running_shell()
    if shell is not None and callback not in shell.events.callbacks["post_execute"]:
        # first, not registered last: matplotlib's inline backend shows and closes all figures in post_execute, too
        shell.events.callbacks["post_execute"].insert(0, callback)


def unlisten(listener: CellListener) -> None:
    """Stop calling ``listener``."""
    _listeners.pop(id(listener), None)


def _cell_started(_info: Any) -> None:
    if cell := cell_id():
        for listener in list(_listeners.values()):  # a copy: listeners remove themselves
            listener.cell_started(cell)


def _cell_ended(_result: Any) -> None:
    if cell := cell_id():
        for listener in list(_listeners.values()):
            listener.cell_ended(cell)
