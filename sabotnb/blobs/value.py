"""``Value``: a value that a user's function refers to, pickled and identified by its hash."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sabotnb.blobs.loading import load_pickled


@dataclass(frozen=True, slots=True)
class Value:
    """A pickled value of any type. Equal by ``fingerprint``, its contents, not by pickle bytes."""

    sha256: str = field(compare=False)
    fingerprint: str
    pickled: bytes = field(compare=False, repr=False)

    def load(self) -> Any:
        """Unpickle a new copy; raises what importing its modules raises. Call it in a task's thread only."""
        return load_pickled(self.pickled)
