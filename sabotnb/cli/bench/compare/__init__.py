"""``sabotnb bench compare``: the same queries on the same files through sabotnb and other engines, answers checked."""
