"""What tasks run: one file per behaviour, and ``create`` that picks it for a spec."""

from sabotnb.operators.create import create

__all__ = ["create"]
