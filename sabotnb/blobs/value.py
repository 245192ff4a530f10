"""A value of the user as bytes that travel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Value:
    """A pickled value of any type. Equal by ``fingerprint``: what it is made of, not pickle bytes."""

    sha256: str = field(compare=False)
    fingerprint: str
    pickled: bytes = field(compare=False, repr=False)

    def load(self) -> Any:
        """A new copy each time; whatever the import of its modules raises comes through. Call it in a task's thread."""
        import cloudpickle

        return cloudpickle.loads(self.pickled)
