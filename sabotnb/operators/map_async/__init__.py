"""The operator of ``map_async``: many calls of one function at a time."""
