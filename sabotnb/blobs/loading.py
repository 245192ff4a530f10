"""Unpickles functions and values of the user, one thread at a time.

The tasks of a process open at once. Modules that import each other (pandas has some) fail as "partially initialized" if
several threads begin to import them at different ends, and Python's import locks, which are per module, allow that.
"""

from __future__ import annotations

import threading
from typing import Any

_loading = threading.RLock()


def load_pickled(data: bytes) -> Any:
    """Unpickle what ``capture`` has pickled; raises what importing its modules raises."""
    import cloudpickle

    with _loading:
        return cloudpickle.loads(data)
