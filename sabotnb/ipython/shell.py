"""The IPython that runs us, if one does: its kernel, the cell that runs, and when a cell runs again."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from typing import Any, Literal, Protocol, cast, get_args

from sabotnb.errors import EnvError

Mode = Literal["widget", "static", "text"]


class CellListener(Protocol):
    """Something that a cell shows, and that ends or moves when the cell runs again."""

    def cell_started(self, cell: str) -> None:
        """The cell runs: its former outputs are gone."""
        ...

    def cell_ended(self, cell: str) -> None:
        """The cell has run: what it shows now is there."""
        ...


_shells: weakref.WeakSet[Any] = weakref.WeakSet()
"""Shells that tell us of the cells they run."""

_listeners: dict[int, CellListener] = {}


def running_shell() -> Any:
    """The running IPython shell; IPython itself is never imported here."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def is_shutting_down() -> bool:
    """True if a front end has told the kernel to shut down or to restart."""
    shell = running_shell()
    return getattr(shell, "kernel", None) is not None and bool(shell.exit_now)


def mode() -> Mode:
    """How jobs show themselves: as ``SABOTNB_DISPLAY`` says, else as a widget in a kernel and as text in a terminal.

    EnvError if it says something else than auto, static, widget or text.
    """
    setting = os.environ.get("SABOTNB_DISPLAY", "auto")
    for known in get_args(Mode):
        if setting == known:
            return cast("Mode", known)
    if setting != "auto":
        raise EnvError(f"SABOTNB_DISPLAY is {setting!r}; choose one of auto, {', '.join(get_args(Mode))}")
    return "widget" if getattr(running_shell(), "kernel", None) is not None else "text"


def cell_id() -> str:
    """What the notebook's front end calls the cell that runs; empty where it does not say."""
    kernel = getattr(running_shell(), "kernel", None)
    if kernel is None:
        return ""
    return str(kernel.get_parent("shell").get("metadata", {}).get("cellId") or "")


def page() -> str:
    """The page whose message is handled, by its session with the kernel: a page that is loaded again is another one."""
    kernel = getattr(running_shell(), "kernel", None)
    return "" if kernel is None else str(kernel.get_parent("shell").get("header", {}).get("session") or "")


def listen(listener: CellListener) -> None:
    """Tell ``listener`` of every run of a cell that has an id, until ``forget``."""
    _listeners[id(listener)] = listener
    shell = running_shell()
    if shell is not None and shell not in _shells:
        _shells.add(shell)
        shell.events.register("pre_run_cell", _cell_started)
        shell.events.register("post_run_cell", _cell_ended)


def before_figures(callback: Callable[[], None]) -> None:
    """Call ``callback`` at the end of every cell, before figures that it has left open are shown; once is enough."""
    shell = running_shell()
    if shell is not None and callback not in shell.events.callbacks["post_execute"]:
        shell.events.callbacks["post_execute"].insert(0, callback)


def forget(listener: CellListener) -> None:
    """Tell ``listener`` nothing more."""
    _listeners.pop(id(listener), None)


def _cell_started(_info: Any) -> None:
    if cell := cell_id():
        for listener in list(_listeners.values()):
            listener.cell_started(cell)


def _cell_ended(_result: Any) -> None:
    if cell := cell_id():
        for listener in list(_listeners.values()):
            listener.cell_ended(cell)
