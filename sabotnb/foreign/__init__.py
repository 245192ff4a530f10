"""Hints for users of other libraries: what to write instead of names and arguments that sabotnb does not have."""

from sabotnb.foreign.calls import explained
from sabotnb.foreign.hinted import Hinted, absent, explained_methods

__all__ = ["Hinted", "absent", "explained", "explained_methods"]
