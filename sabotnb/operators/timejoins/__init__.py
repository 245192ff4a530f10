"""Joins of two streams by keys and event time."""
