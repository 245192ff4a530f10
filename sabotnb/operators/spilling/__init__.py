"""Operators whose keyed state may be larger than memory."""
