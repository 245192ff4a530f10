from sabotnb import col

QUERIES = {"right": lambda t: t.numbers.agg(total=col("x").sum())}
