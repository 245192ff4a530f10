"""``python -m sabotnb``: the command line."""

from sabotnb.cli import app

app(prog_name="python -m sabotnb")
