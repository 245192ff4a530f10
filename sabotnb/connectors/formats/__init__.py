"""File formats: how each is described, cut into splits, read and written."""
