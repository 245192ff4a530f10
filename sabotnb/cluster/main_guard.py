"""Checks that a script that starts worker processes has a ``__main__`` guard, because they import it."""

from __future__ import annotations

import ast
import multiprocessing
import sys
from pathlib import Path
from types import FrameType

from sabotnb.errors import EnvError

ADVICE = """the script has to survive being imported by its worker processes. Write:

    def main():
        env = sb.local()
        ...

    if __name__ == "__main__":
        main()

or use sb.local(detached=True), which needs no guard"""


def check_main_guard() -> None:
    """Raise EnvError if worker processes would run the calling script again instead of importing it.

    Workers are spawned, and a spawned process imports the script that it comes from. Notebooks, ``python -c`` and
    interactive sessions have nothing to import and need no guard; neither do the cells of marimo: each runs as the top
    level of ``__main__``, but stands in a function of the file, which an import does not call.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise EnvError(f"sb.local() was called while a worker process imported the script: {ADVICE}")
    frame = _main_frame()
    path = getattr(sys.modules["__main__"], "__file__", None)
    if frame is None or path is None or not Path(path).is_file() or not _is_of(Path(path), frame):
        return
    if not _is_guarded(Path(path), frame.f_lineno):
        raise EnvError(f"{path}, line {frame.f_lineno} starts worker processes outside of a guard; {ADVICE}")


def _main_frame() -> FrameType | None:
    """The frame that runs the top level of ``__main__``, if the call comes from there."""
    namespace = sys.modules["__main__"].__dict__
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the documented way to walk one's own stack
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals is namespace:
            return frame
        frame = frame.f_back
    return None


def _is_of(path: Path, frame: FrameType) -> bool:
    """True if what the frame runs was read from ``path``."""
    source = Path(frame.f_code.co_filename)
    return source.is_file() and source.samefile(path)


def _is_guarded(path: Path, line: int) -> bool:
    """True if ``line`` is inside a function or an ``if`` that asks for ``__name__``, or the file is not Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return True
    around = [node for node in tree.body if node.lineno <= line <= (node.end_lineno or node.lineno)]
    return any(
        (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.body[0].lineno <= line)
        or (isinstance(node, ast.If) and _asks_for_name(node.test))
        for node in around
    )


def _asks_for_name(test: ast.expr) -> bool:
    return any(isinstance(name, ast.Name) and name.id == "__name__" for name in ast.walk(test))
