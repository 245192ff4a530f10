"""A script that starts processes must survive being imported by them: is its ``__main__`` guarded?"""

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
    interactive sessions have nothing to import and need no guard.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise EnvError(f"sb.local() was called while a worker process imported the script: {ADVICE}")
    frame = _main_frame()
    path = getattr(sys.modules["__main__"], "__file__", None)
    if frame is None or path is None or not Path(path).is_file():
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


def _is_guarded(path: Path, line: int) -> bool:
    """True if ``line`` is inside an ``if`` that asks for ``__name__``, or the file cannot be read as Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return True
    return any(
        isinstance(node, ast.If)
        and node.lineno <= line <= (node.end_lineno or node.lineno)
        and any(isinstance(name, ast.Name) and name.id == "__name__" for name in ast.walk(node.test))
        for node in tree.body
    )
