"""The suites of ``sabotnb bench compare``: for each its data, its cases, and a module of queries per engine."""
