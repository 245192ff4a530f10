"""The command line: ``sabotnb --help``."""

from sabotnb.cli.app import app

__all__ = ["app"]
