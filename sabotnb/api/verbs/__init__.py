"""Implementation of the methods of ``Stream`` and ``Grouped``: each returns a new node, and nothing runs."""
