QUERIES = dict.fromkeys(
    ("right", "wrong", "raises", "dies", "hangs", "after"), "SELECT sum(x)::BIGINT AS total FROM {numbers}"
)
