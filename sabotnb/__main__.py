"""``python -m sabotnb``: the command line."""

from sabotnb.cli import app

if __name__ == "__main__":  # worker processes import this module under another name
    app(prog_name="python -m sabotnb")
