"""Followed files: searches folders and globs every second, and reads each new file once it stops changing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sabotnb.connectors.folders.file_search import files_below, files_of_glob
from sabotnb.connectors.sources.raw_batches import Connector, RawBatches, ResumePoint, SourceEstimate, in_sequence
from sabotnb.errors import SourceError
from sabotnb.graph import Source as Spec
from sabotnb.protocol import Split

LOOK_SECONDS = 1.0

_Stamp = tuple[int, int]


class FileConnector(Connector, Protocol):
    """The connector of a file format; it can also read files that were created after the source was described."""

    def splits_of(self, file: str) -> Iterable[Split]:
        """The splits of one file."""
        ...


class Following:
    """Connector that reads every file of another connector once, in the order in which the files appear.

    A new file is read when its size and time of change were equal in two searches a second apart. Writers therefore
    need not rename files into place, but rows added to a file after that are not read.
    """

    def __init__(self, spec: Spec, connector: FileConnector, clock: Callable[[], float]) -> None:
        self._paths: list[str] = spec.options["follow"]
        self._suffixes = {Path(file).suffix for file in spec.options["files"]} | {*spec.options.get("suffixes", ())}
        self._first: list[str] = spec.options["files"]
        self._connector = connector
        self._clock = clock

    def estimate(self) -> SourceEstimate:
        return SourceEstimate(None, None)

    def splits(self) -> list[Split]:
        return [Split("follow")]

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        """The rows of each file once; a position has the files read before, and the splits of the files of its search.

        The splits are not made again at a position: rows may have been appended to their files.
        """
        at = split.position.get("at") or self._search((), self._first, found=False)
        yield from self._read(at, batch_rows, done)
        read = {*at["read"], *at["files"]}
        seen: dict[str, _Stamp] = {}
        looked = self._clock()
        while True:
            left = LOOK_SECONDS - (self._clock() - looked)
            if left > 0:
                yield left
                continue
            looked = self._clock()
            before, seen = seen, {file: _stamp(file) for file in self._files() if file not in read}
            ready = sorted(file for file, stamp in seen.items() if stamp[0] and before.get(file) == stamp)
            if ready:
                yield from self._read(self._search(sorted(read), ready, found=True), batch_rows, 0)
                read.update(ready)

    def _search(self, read: Sequence[str], files: Sequence[str], *, found: bool) -> dict[str, Any]:
        """The resume point of ``files`` that a search has returned, when those in ``read`` have been read."""
        splits = [split for file in files for split in self._connector.splits_of(file)]
        parts = [[split.id, split.position, split.lower_bound] for split in splits]
        return {"read": list(read), "files": list(files), "parts": parts, "found": found}

    def _read(self, at: Mapping[str, Any], batch_rows: int, done: int) -> RawBatches:
        parts = [Split(name, position, low) for name, position, low in at["parts"]]
        within = at.get("at", {})
        for item in in_sequence(self._connector, parts, within, batch_rows, done, found=at["found"]):
            yield ResumePoint({**at, "at": item.at}) if isinstance(item, ResumePoint) else item

    def _files(self) -> Iterator[str]:
        for path in self._paths:
            if Path(path).is_dir():
                yield from (file for file in files_below(path) if Path(file).suffix in self._suffixes)
            else:
                yield from files_of_glob(path)


def _stamp(file: str) -> _Stamp:
    """Size and time of change; size 0 for a file that was removed since it was found."""
    try:
        found = Path(file).stat()
    except FileNotFoundError:
        return 0, 0
    except OSError as error:
        raise SourceError(f"'{file}' cannot be read ({error}): grant this user read permission") from error
    return found.st_size, found.st_mtime_ns
