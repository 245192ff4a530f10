"""Logs the faults that sources find in their data: once, although each task of a source reports them."""

from __future__ import annotations

import logging

from sabotnb.protocol import RunId, SourceWarned

log = logging.getLogger(__name__)

MOST_JOBS = 1_000
"""The number of jobs whose faults are known: those that were logged last."""


class SourceWarnings:
    """Logs each kind of fault once per operator and run; knows the newest run of each job."""

    def __init__(self) -> None:
        self._logged: dict[str, tuple[RunId, set[tuple[str, str]]]] = {}

    def log(self, warned: SourceWarned) -> None:
        """Log ``warned`` unless another task of the run has reported the same."""
        run, fault = warned.attempt.run, (warned.operator, warned.kind)
        known, faults = self._logged.get(run.job, (run, set()))
        if run < known or (run == known and fault in faults):
            return
        self._logged.pop(run.job, None)
        self._logged[run.job] = run, {fault} | (faults if run == known else set())
        if len(self._logged) > MOST_JOBS:
            del self._logged[next(iter(self._logged))]
        log.warning("%s", warned.message)
