"""Plain data and protocols that rooms share: ids, elements, operators, sources, channels, control messages."""
