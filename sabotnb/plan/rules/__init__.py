"""Rules of the optimizer, one per file: pure functions from a job graph to a better one, or to None."""
