"""Which committed files hold the rows that an epoch of a run goes on from, and which hold rows that it writes again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sabotnb.connectors.sinks.ownership import FileOrigin
from sabotnb.protocol import LineageCut, RunId


class Lineage:
    """The cuts that lead to ``epoch`` of ``run``, whose random digits are ``token``.

    Each is the last of one earlier epoch, of this run or of one that it continues, whose rows are before this epoch.
    """

    def __init__(self, run: RunId, token: str, epoch: int, cuts: Sequence[LineageCut]) -> None:
        self._run = run
        self._token = token
        self._epoch = epoch
        of_job = [cut for cut in cuts if cut.run.job == run.job]
        self._last = {(cut.run.number, cut.epoch): cut.cut for cut in of_job}
        self.base = of_job[-1] if of_job else None
        """The cut from which this epoch goes on; None if it began at the beginning."""
        self.first = min((number for number, _ in self._last), default=run.number)
        """The number of the first of the runs that lead to this epoch."""

    def is_own(self, origin: FileOrigin) -> bool:
        """True for files of the run itself, in any epoch."""
        return (origin.run, origin.token) == (self._run, self._token)

    def has(self, origin: FileOrigin) -> bool:
        """True for files whose rows are not written again."""
        if self.is_own(origin) and origin.epoch >= self._epoch:
            return True
        last = self._last.get((origin.run.number, origin.epoch))
        return origin.run.job == self._run.job and last is not None and origin.cut <= last

    def epoch_of(self, cut: int) -> int:
        """The epoch of the run that took ``cut``: this one, unless it was restored from it."""
        return next(
            (epoch for (run, epoch), last in self._last.items() if (run, last) == (self._run.number, cut)), self._epoch
        )

    def replacement(self, origins: Collection[FileOrigin]) -> tuple[RunId, LineageCut | None] | None:
        """The run that has replaced output from which this epoch goes on, as the files of an output show, or None.

        Also returns the cut that it went on from, which is on the way to this epoch; None if it began without one. It
        has removed the files after that cut, if there were any. If all files of a run were moved, it is not known what
        those that continue it have replaced.
        """
        if self.base is None:
            return None
        bases = {(origin.run.number, origin.epoch): origin.base for origin in origins}
        for origin in origins:
            if origin.run.job != self._run.job or self.has(origin):
                continue
            if origin.first != self.first:
                if origin.run.number > self.base.run.number and not origin.appends:
                    return origin.run, None
                continue
            by, base, left = origin.run, origin.base, dict(bases)
            while base is not None and (base.run.number, base.epoch) not in self._last:
                by, base = base.run, left.pop((base.run.number, base.epoch), None)
            if base is not None and base.cut < self._last[base.run.number, base.epoch]:
                return by, base
        return None

    def is_related(self, origin: FileOrigin) -> bool:
        """True for files of the run, of those that it continues, and of others that continue these.

        Runs that began at the beginning in between are not related, although they may append to the same output.
        """
        if origin.run == self._run or not self._last:  # another cluster may have a run of the same number
            return self.is_own(origin)
        return (origin.run.job, origin.first) == (self._run.job, self.first)
