"""Makes one split of each file, for event time: a clock runs over all rows of a file in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from sabotnb.connectors.sources.following import FileConnector
from sabotnb.connectors.sources.raw_batches import RawBatches, SourceEstimate, in_turn
from sabotnb.protocol import Split


class WholeFiles:
    """Connector that joins the splits that another one makes of a file; its position lists theirs as ``parts``."""

    def __init__(self, connector: FileConnector) -> None:
        self._connector = connector

    def estimate(self) -> SourceEstimate:
        return self._connector.estimate()

    def splits(self) -> list[Split]:
        return [*_joined(self._connector.splits())]

    def splits_of(self, file: str) -> Iterable[Split]:
        return _joined(self._connector.splits_of(file))

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        parts = [replace(split, position=part) for part in split.position["parts"]]
        return in_turn(self._connector, parts, split.position.get("at", {}), batch_rows, done)


def _joined(splits: Iterable[Split]) -> Iterator[Split]:
    for file, of_file in groupby(splits, key=lambda split: str(split.position["file"])):
        parts = list(of_file)
        whole = SourceEstimate.of(parts)
        low = min(part.lower_bound for part in parts)
        yield Split(
            file, {"file": file, "parts": [part.position for part in parts]}, low, whole.nbytes or 0, whole.rows
        )
