"""The IPython that runs this process, if any: its kernel, the running cell, and what follows a cell."""

from sabotnb.ipython import shell
from sabotnb.ipython.shell import cell_id, running_shell

__all__ = [
    "cell_id",
    "running_shell",
    "shell",
]
