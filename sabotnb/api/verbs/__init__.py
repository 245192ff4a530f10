"""What the methods of ``Stream`` and ``Grouped`` do: each returns a new node, and nothing runs."""
