"""Aggregates over Python lists, as documented: the oracle of the tests of grouping."""

import math
import statistics
from collections import defaultdict
from itertools import pairwise


def rank(value):
    """Return a sort key: NaN is a value above all numbers, null is above all values."""
    if value is None:
        return (2, 0)
    return (1, 0) if isinstance(value, float) and math.isnan(value) else (0, value)


def ordered(pairs, last):
    rows = [(value, by) for value, by in pairs if by is not None]
    if not rows:
        return None
    best = (max if last else min)((by for _, by in rows), key=rank)
    return min((value for value, by in rows if rank(by) == rank(best)), key=rank)


def quantile(values, q):
    if not values:
        return None
    numbers = sorted(values, key=rank)
    position = q * (len(numbers) - 1)
    low = math.floor(position)
    fraction = position - low
    return numbers[low] if not fraction else numbers[low] + (numbers[low + 1] - numbers[low]) * fraction


def variance(values, ddof=1):
    if len(values) <= ddof:
        return None
    mean = statistics.fmean(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - ddof)


def deviation(values, ddof=1):
    squared = variance(values, ddof)
    return None if squared is None else math.sqrt(squared)


def top_k(values, k, reverse=False):
    return sorted(values, key=rank, reverse=not reverse)[:k]


VALUES = {
    "count": len,
    "sum": lambda values: sum(values) if values else None,
    "mean": lambda values: statistics.fmean(values) if values else None,
    "min": lambda values: min(values, key=rank) if values else None,
    "max": lambda values: max(values, key=rank) if values else None,
    "n_unique": lambda values: len({rank(value) for value in values}),
}

PAIRS = {
    "first": lambda pairs: ordered(pairs, last=False),
    "arg_min": lambda pairs: ordered(pairs, last=False),
    "last": lambda pairs: ordered(pairs, last=True),
    "arg_max": lambda pairs: ordered(pairs, last=True),
    "collect_list": lambda pairs: [value for value, _ in pairs],
}
OPTIONS = {"var": variance, "std": deviation, "quantile": quantile, "top_k": top_k}


def aggregate(column, pairs):
    """Return the value of an ``AggregateColumn`` for the (value, by) pairs of a key."""
    values = [value for value, _ in pairs if value is not None]
    options = column.options
    if column.column is None:
        return len(pairs)
    if column.fn in PAIRS:
        return PAIRS[column.fn](pairs)
    if column.fn in OPTIONS:
        return OPTIONS[column.fn](values, **options)
    return VALUES[column.fn](values)


def grouped(table, keys, columns):
    """Return {key: {name: value}} of all rows of ``table``."""
    rows = defaultdict(list)
    for row in table.to_pylist():
        rows[tuple(key_of(row[name]) for name in keys)].append(row)
    if not keys and not rows:
        rows[()] = []
    return {
        key: {c.name: aggregate(c, [(row.get(c.column), row.get(c.by)) for row in members]) for c in columns}
        for key, members in rows.items()
    }


def key_of(value):
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def found(batches, keys):
    """Return {key: {name: value}} of result batches; fails if a key occurs twice."""
    out = {}
    for batch in batches:
        for row in batch.to_pylist():
            key = tuple(key_of(row.pop(name)) for name in keys)
            assert key not in out, f"{key} twice"
            out[key] = row
    return out


def same(left, right):
    """True if equal, floats up to 1e-9 of their size, lists in any order."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(
            same(a, b) for a, b in zip(sorted(left, key=rank), sorted(right, key=rank), strict=True)
        )
    if isinstance(left, float) and isinstance(right, float | int):
        return (math.isnan(left) and math.isnan(right)) or math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-6)
    return left == right


def batches_of(table, cuts):
    """Return the rows of ``table`` in batches that end at ``cuts``."""
    bounds = sorted({0, *(cut for cut in cuts if cut < table.num_rows), table.num_rows})
    slices = [table.slice(a, b - a) for a, b in pairwise(bounds)]
    return [part.combine_chunks().to_batches()[0] for part in slices if part.num_rows]
