"""Operators of windows: which window a row belongs to, the state of each window, and when results leave."""
