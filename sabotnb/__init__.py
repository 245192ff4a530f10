"""Live dataflows in a notebook cell."""
