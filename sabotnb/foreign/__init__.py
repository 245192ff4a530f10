"""What users of other libraries write: names and arguments that sabotnb does not have, and what to write here."""

from sabotnb.foreign.calls import explained
from sabotnb.foreign.hinted import Hinted, absent, explained_methods

__all__ = ["Hinted", "absent", "explained", "explained_methods"]
