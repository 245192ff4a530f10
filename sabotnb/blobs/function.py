"""A pickled function of the user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sabotnb.blobs.loading import load_pickled
from sabotnb.blobs.origin import Origin


@dataclass(frozen=True, slots=True)
class Function:
    """A pickled function. Equal by ``fingerprint``: source text and closed-over values, not pickle bytes."""

    sha256: str = field(compare=False)
    fingerprint: str
    name: str
    origin: Origin = field(compare=False)
    pickled: bytes = field(compare=False, repr=False)

    def load(self) -> Callable[..., Any]:
        """Unpickle the function; raises what importing its modules raises. Call it in a task's thread only."""
        loaded: Callable[..., Any] = load_pickled(self.pickled)
        return loaded
