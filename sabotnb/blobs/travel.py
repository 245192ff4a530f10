"""Send along with pickled functions what workers lack: modules of the user's folder, and sources for tracebacks."""

from __future__ import annotations

import linecache
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from sabotnb.blobs.origin import PACKAGE, label_of, library_of, remember_labels

_SOURCE_BYTES = 1 << 20  # larger files are not sent, as only tracebacks need them
_registering = threading.Lock()

Sources = Mapping[str, tuple[str, str]]
"""By file name as in code objects: (label for users, text)."""


def arrive(content: Any, sources: Sources) -> Any:
    """Return ``content``, and register ``sources`` for tracebacks of this process if the files are missing here.

    Unpickling calls this by name.
    """
    for filename, (_, text) in sources.items():
        if not Path(filename).exists():
            linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    remember_labels({filename: label for filename, (label, _) in sources.items()})
    return content


def sources_of(files: Iterable[str]) -> Sources:
    """Return the text of the cells and files that are the user's own, if it is known and not too large to send."""
    texts = {file: "".join(linecache.getlines(file)) for file in sorted(files) if not library_of(file)}
    return {file: (label_of(file), text) for file, text in texts.items() if 0 < len(text) <= _SOURCE_BYTES}


@contextmanager
def modules_by_value() -> Iterator[None]:
    """Pickle functions of modules in the folder of the notebook or script by value while inside.

    Workers may not have these modules; installed modules are pickled by name.
    """
    import cloudpickle

    with _registering:  # the registry is global: a second thread would unregister modules that this one needs
        known = cloudpickle.list_registry_pickle_by_value()
        modules = [module for module in local_modules() if module.__name__ not in known]
        for module in modules:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in modules:
                cloudpickle.unregister_pickle_by_value(module)


def local_modules() -> list[ModuleType]:
    """Return the loaded modules that are in the user's folder and not installed."""
    return [sys.modules[name] for name in _local_names(tuple(sys.modules), _folders(), _installed())]


@lru_cache(maxsize=8)
def _local_names(loaded: tuple[str, ...], folders: tuple[str, ...], installed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of local modules; cached, as a process has a thousand modules and every capture asks."""
    return tuple(name for name in loaded if _is_local(sys.modules[name], folders, installed))


def is_local(module: ModuleType) -> bool:
    """True for a module that is in the user's folder and not installed."""
    return _is_local(module, _folders(), _installed())


def _is_local(module: ModuleType, folders: tuple[str, ...], installed: tuple[str, ...]) -> bool:
    filename = getattr(module, "__file__", None)
    if not isinstance(filename, str) or module.__name__ == "__main__" or not filename.startswith(folders):
        return False
    return not filename.startswith(installed) and f"{os.sep}site-packages{os.sep}" not in filename


def _installed() -> tuple[str, ...]:
    return (f"{sys.prefix}{os.sep}", f"{sys.base_prefix}{os.sep}", PACKAGE)


def _folders() -> tuple[str, ...]:
    """Return the folders of the user: that of the script and the current one, which is that of a notebook."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    here = [Path.cwd()] if script is None else [Path.cwd(), Path(script).resolve().parent]
    return tuple(str(folder) + os.sep for folder in here if folder != Path(folder.anchor))
