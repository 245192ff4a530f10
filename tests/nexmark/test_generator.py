import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.nexmark import generate
from sabotnb.nexmark.generator import COLD_CHANNELS, HOT_CHANNELS, counts


def tables(events, seed=0, batch_rows=65_536):
    return [pa.Table.from_batches(list(batches)) for batches in generate(events, seed, batch_rows)]


@pytest.mark.parametrize(
    ("events", "bids", "auctions", "persons"),
    [(0, 0, 0, 0), (1, 0, 0, 1), (2, 0, 1, 1), (4, 0, 3, 1), (5, 1, 3, 1), (50, 46, 3, 1), (52, 46, 4, 2)],
)
def test_the_proportion_is_46_to_3_to_1(events, bids, auctions, persons):
    assert counts(events) == (bids, auctions, persons)


def test_a_negative_number_of_events_is_refused():
    with pytest.raises(ValueError, match="pass a number of events"):
        generate(-1)


@settings(deadline=None, max_examples=20)
@given(events=st.integers(50, 3000), batch_rows=st.integers(1, 700), seed=st.integers(0, 2**63))
def test_rows_do_not_depend_on_batches(events, batch_rows, seed):
    whole = tables(events, seed)
    divided = tables(events, seed, batch_rows)
    assert [table.to_pylist() for table in divided] == [table.to_pylist() for table in whole]


def test_more_events_only_add_rows():
    for short, long in zip(tables(500), tables(5000), strict=True):
        assert long.slice(0, short.num_rows).to_pylist() == short.to_pylist()


def test_another_seed_makes_other_rows():
    assert tables(500, seed=1)[0]["price"].to_pylist() != tables(500, seed=2)[0]["price"].to_pylist()


def test_every_event_has_its_own_time_100_microseconds_after_the_one_before():
    columns = [table["date_time"].cast(pa.int64()).to_pylist() for table in tables(1000)]
    assert all(times == sorted(times) for times in columns)
    times = sorted(time for times in columns for time in times)
    assert [time - times[0] for time in times] == [100 * i for i in range(1000)]


def test_hot_keys_get_their_share():
    bids, auctions, persons = tables(200_000)
    assert 0.49 < (bids["auction"].to_numpy() % 100 == 0).mean() < 0.53
    assert 0.74 < (bids["bidder"].to_numpy() % 100 == 1).mean() < 0.77
    assert 0.74 < (auctions["seller"].to_numpy() % 100 == 0).mean() < 0.77
    channels = bids["channel"].combine_chunks().dictionary_decode()
    assert 0.49 < pc.mean(pc.is_in(channels, pa.array(HOT_CHANNELS)).cast(pa.float64())).as_py() < 0.51
    assert pc.count_distinct(channels).as_py() == COLD_CHANNELS + len(HOT_CHANNELS)
    assert pc.min(bids["price"]).as_py() >= 100
    assert pc.max(bids["price"]).as_py() <= 100_000_000
    # a key refers to something that exists, or will within a few events
    assert pc.max(bids["auction"]).as_py() <= pc.max(auctions["id"]).as_py() + 10
    assert pc.max(auctions["seller"]).as_py() <= pc.max(persons["id"]).as_py() + 10
    assert pc.count_distinct(persons["email_address"]).as_py() == persons.num_rows


def test_golden_rows():
    bids, auctions, persons = tables(50, seed=0)
    assert bids.slice(0, 2).select(["auction", "bidder", "price", "channel"]).to_pylist() == [
        {"auction": 1000, "bidder": 1001, "price": 4370984, "channel": "channel-5231"},
        {"auction": 1003, "bidder": 1001, "price": 1063, "channel": "channel-3012"},
    ]
    assert auctions["reserve"].to_pylist() == [180401, 14446237, 79609620]
    assert persons["credit_card"].to_pylist() == ["8158 1630 8411 5827"]
