"""``Why``: what limits the speed of a job, and what to do; prints as a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from sabotnb.display import theme
from sabotnb.metrics import JobMetrics, started_again


@dataclass(frozen=True, slots=True)
class Why:
    """The state of a job, the operator that causes it ("" for the whole job), and what to do about it.

    ``note`` says that the job began again after a loss, and that its checkpoints fail.
    """

    kind: str
    operator: str
    sentence: str
    advice: str = ""
    note: str = ""

    @classmethod
    def of(cls, metrics: JobMetrics) -> Why:
        """Take the finding of the rules about a job."""
        again = started_again(metrics.state, metrics.restarts, metrics.lost, metrics.goes_on_from)
        note = "\n".join(filter(None, (again, metrics.checkpoint_failure)))
        finding = metrics.finding
        if finding is None:
            return cls("unknown", "", "no figures yet", note=note)
        return cls(finding.kind, finding.operator, finding.sentence, finding.advice, note)

    def __repr__(self) -> str:
        return "\n".join(filter(None, (self.sentence, self.advice, self.note)))

    def _repr_html_(self) -> str:
        lines = "\n".join(filter(None, (self.advice, self.note))).splitlines()
        faint = "".join(f"<div>{theme.faint(text)}</div>" for text in lines)
        return theme.panel(f"<div>{escape(self.sentence)}</div>{faint}")
