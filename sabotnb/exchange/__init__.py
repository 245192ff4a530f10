"""How elements get from task to task: gates, output partitions, channels, and the transport between agents."""

from sabotnb.exchange.exchange import Exchange
from sabotnb.exchange.gate import InputGate
from sabotnb.exchange.output import OutputPartition
from sabotnb.exchange.rare_warnings import RareWarnings

__all__ = ["Exchange", "InputGate", "OutputPartition", "RareWarnings"]
