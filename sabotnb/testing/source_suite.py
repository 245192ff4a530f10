"""The conformance suite of ``Source``: subclass it in a test file to test an implementation.

Needs pytest and hypothesis (``pip install 'sabotnb[test]'``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sabotnb.protocol import Finished, Polled, Position, Reader, Source, Split

# Each subclass runs the same test with another source, so there is nothing to replay from one to the other.
DRAWN = settings(
    max_examples=5,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # a source takes too long to read to look for a smaller example
    suppress_health_check=[HealthCheck.differing_executors],
)
"""Settings of every drawn test here."""

SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=4)
"""Draws the numbers of rows that a reader is asked for, in turn."""


@dataclass(slots=True)
class Read:
    """What a reader has returned: ``rows`` in order, those ``delayed`` in event time, and its last watermark."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    delayed: list[dict[str, Any]] = field(default_factory=list)
    watermark: int = 0

    def add(self, polled: Polled) -> None:
        """Add the rows of one poll."""
        self.rows += polled.rows.to_pylist()
        if polled.delayed is not None:
            self.delayed += polled.delayed.to_pylist()


class SourceSuite:
    """Tests that a reader which is opened at a position goes on as the one that returned the position.

    A subclass defines ``make``, and ``pass_time`` if the source follows a clock::

        class TestLines(SourceSuite):
            def make(self):
                return Lines(FILE)
    """

    most_rows: int | None = None
    """For an endless source: how many rows each of its splits has during a test."""

    most_empty_polls = 1000
    """How often in a row a reader may have no rows."""

    def make(self) -> Source:
        """Return the source, the same at each call. It should have about a hundred rows in several batches."""
        raise NotImplementedError

    def pass_time(self) -> None:
        """A reader has no rows yet: advance the clock of the source."""

    @DRAWN
    @given(SIZES, SIZES, SIZES, st.floats(0, 1))
    def test_a_reader_goes_on_at_a_position(
        self, sizes: Sequence[int], before: Sequence[int], after: Sequence[int], share: float
    ) -> None:
        """Read some rows, open again at the position behind them, and read the rest: equal to the whole."""
        for split in self.make().splits():
            whole = self._rest(split, sizes)
            wanted = int(share * (len(whole.rows) + len(whole.delayed)))
            begun, position, watermark = self._beginning(split, before, wanted)
            again = replace(split, position=_through_json(position))
            source = self.make()
            reader = source.open(again)
            assert reader.watermark() == watermark
            reader.close()
            rest = self._rest(again, after, len(begun.rows) + len(begun.delayed))
            assert begun.rows + rest.rows == whole.rows
            assert begun.delayed + rest.delayed == whole.delayed
            assert rest.watermark == whole.watermark

    @DRAWN
    @given(SIZES, SIZES)
    def test_readers_take_turns_at_every_position(self, sizes: Sequence[int], others: Sequence[int]) -> None:
        """Open a new reader for each poll."""
        for split in self.make().splits():
            whole = self._rest(split, sizes)
            found, at = Read(), split
            for most in cycle(others):
                reader = self.make().open(at)
                polled = None if self._is_enough(found) else self._next(reader, most)
                reader.close()
                if polled is None:
                    break
                found.add(polled)
                at = replace(split, position=_through_json(reader.processed(polled.position)))
            assert (found.rows, found.delayed) == (whole.rows, whole.delayed)

    @DRAWN
    @given(SIZES)
    def test_a_position_is_not_changed_by_later_polls(self, sizes: Sequence[int]) -> None:
        """A position is kept while the reader reads on."""
        for split in self.make().splits():
            kept = [(polled.position, _through_json(polled.position)) for polled in self._polls(split, sizes)]
            assert all(position == before for position, before in kept)

    def test_splits_can_be_sent(self) -> None:
        """The position of a split is JSON-able."""
        for split in self.make().splits():
            assert _through_json(split.position) == split.position

    def _rest(self, split: Split, sizes: Sequence[int], before: int = 0) -> Read:
        """Read ``split`` from its position to its end; ``before`` rows of it were read."""
        found = Read()
        reader = self.make().open(split)
        for most in cycle(sizes):
            polled = None if self._is_enough(found, before) else self._next(reader, most)
            if polled is None:
                break
            found.add(polled)
        found.watermark = reader.watermark()
        reader.close()
        return found

    def _beginning(self, split: Split, sizes: Sequence[int], wanted: int) -> tuple[Read, Position, int]:
        """Read until there are ``wanted`` rows; returns them, the position, and the watermark at it."""
        found, position = Read(), split.position
        reader = self.make().open(split)
        watermark = reader.watermark()
        for most in cycle(sizes):
            if len(found.rows) + len(found.delayed) >= wanted or self._is_enough(found):
                break
            polled = self._next(reader, most)
            if polled is None:
                break
            found.add(polled)
            position, watermark = reader.processed(polled.position), reader.watermark()
        reader.close()
        return found, position, watermark

    def _polls(self, split: Split, sizes: Sequence[int]) -> Iterator[Polled]:
        found = Read()
        reader = self.make().open(split)
        for most in cycle(sizes):
            polled = None if self._is_enough(found) else self._next(reader, most)
            if polled is None:
                break
            found.add(polled)
            yield polled
        reader.close()

    def _next(self, reader: Reader, most: int) -> Polled | None:
        """Poll until there are rows; None if the split has ended."""
        for _ in range(self.most_empty_polls):
            polled = reader.poll(most)
            if isinstance(polled, Finished):
                return None
            if polled is not None:
                return polled
            self.pass_time()
        raise AssertionError(f"no rows in {self.most_empty_polls} polls: let pass_time() advance the clock")

    def _is_enough(self, found: Read, before: int = 0) -> bool:
        return self.most_rows is not None and before + len(found.rows) + len(found.delayed) >= self.most_rows


def _through_json(position: Position) -> Position:
    loaded: Position = json.loads(json.dumps(position))
    return loaded
