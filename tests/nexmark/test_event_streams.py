from sabotnb import nexmark


def test_streams_read_the_cached_files(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bids, auctions, persons = nexmark.streams(5000, seed=7)
    assert bids.schema.names == nexmark.BIDS.names
    assert auctions.schema.names == nexmark.AUCTIONS.names
    assert persons.to_arrow().num_rows == 100
    assert sorted(path.name for path in (tmp_path / "sabotnb" / "nexmark" / "v1-5000-7").iterdir()) == [
        "auctions.parquet",
        "bids.parquet",
        "nexmark.json",
        "persons.parquet",
    ]
