"""The IPython shell of this process, if there is one: its kernel, the running cell, and callbacks around cells."""

from sabotnb.ipython import shell
from sabotnb.ipython.shell import cell_id, running_shell

__all__ = [
    "cell_id",
    "running_shell",
    "shell",
]
