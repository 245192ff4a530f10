"""The IPython that runs this process, if any: its kernel, the running cell, and what follows a cell."""
