"""Input gates, output partitions, channels and the transport that carry elements between tasks."""

from sabotnb.exchange.exchange import Exchange
from sabotnb.exchange.gate import InputGate
from sabotnb.exchange.output import OutputPartition
from sabotnb.exchange.rare_warnings import RareWarnings

__all__ = ["Exchange", "InputGate", "OutputPartition", "RareWarnings"]
