import pyarrow as pa
import pytest
from hypothesis import strategies as st

SCALARS = {
    pa.bool_(): st.booleans(),
    pa.float32(): st.floats(width=32),
    pa.float64(): st.floats(),
    pa.date32(): st.dates(),
    pa.date64(): st.dates(),
    pa.binary(3): st.binary(min_size=3, max_size=3),
    pa.decimal128(20, 3): st.decimals(-(10**16), 10**16, places=3),
    pa.decimal256(60, 3): st.decimals(-(10**16), 10**16, places=3),
}
SCALARS |= {
    getattr(pa, f"{sign}int{bits}")(): st.integers(-(2 ** (bits - 1)) if not sign else 0, 2 ** (bits - (not sign)) - 1)
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}
SCALARS |= {make(): st.text(max_size=40) for make in (pa.string, pa.large_string, pa.string_view)}
SCALARS |= {make(): st.binary(max_size=40) for make in (pa.binary, pa.large_binary, pa.binary_view)}
TICKS = [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]
TICKS += [make(unit) for make in (pa.timestamp, pa.duration) for unit in ("s", "ms", "us", "ns")]
TICKS += [pa.timestamp("us", "Europe/Berlin")]
SCALARS |= {kind: st.integers(0 if pa.types.is_time(kind) else -(10**4), 10**4) for kind in TICKS}
SCALARS |= {kind: st.decimals(-999, 999, places=2) for kind in (pa.decimal32(7, 2), pa.decimal64(15, 2))}
SCALARS |= {pa.float16(): st.floats(width=16), pa.null(): st.none()}
KEYS = list(SCALARS)
NESTED = [pa.list_(pa.int32()), pa.struct([("a", pa.int8()), ("b", pa.string())]), pa.map_(pa.string(), pa.int8())]


def values(kind):
    if pa.types.is_list(kind):
        return st.lists(values(kind.value_type), max_size=3)
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries({field.name: values(field.type) for field in kind})
    if pa.types.is_map(kind):
        return st.lists(st.tuples(values(kind.key_type), values(kind.item_type)), max_size=3)
    return SCALARS[kind]


@st.composite
def arrays(draw, rows, kinds=KEYS):
    """An array of ``rows`` rows that may have nulls, an offset and a dictionary."""
    kind = draw(st.sampled_from(kinds))
    before = draw(st.integers(0, 11))
    size = rows + before + draw(st.integers(0, 3))
    value = values(kind)
    if draw(st.booleans()):
        value = st.none() | value
    if kind in NESTED or pa.types.is_null(kind) or draw(st.integers(0, 3)):
        return pa.array(draw(st.lists(value, min_size=size, max_size=size)), kind).slice(before, rows)
    distinct = pa.array(draw(st.lists(value, min_size=1, max_size=8)), kind)
    index = st.none() | st.integers(0, len(distinct) - 1)
    width = draw(st.sampled_from([pa.int8(), pa.int16(), pa.uint32(), pa.int64()]))
    indices = pa.array(draw(st.lists(index, min_size=size, max_size=size)), width)
    return pa.DictionaryArray.from_arrays(indices, distinct).slice(before, rows)


@pytest.fixture(scope="session")
def key_arrays():
    """``key_arrays(rows)``: a strategy of arrays of every type that can be a key."""
    return arrays


@pytest.fixture(scope="session")
def batches():
    """A strategy of record batches of any size and any types."""

    def columns(rows):
        return st.lists(arrays(rows, KEYS + NESTED), min_size=1, max_size=5)

    def batch(arrays):
        return pa.record_batch(arrays, names=[f"c{i}" for i in range(len(arrays))])

    return st.integers(0, 70).flatmap(columns).map(batch)
