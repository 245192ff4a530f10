"""``Why``: what limits the speed of a job, and what to do; prints as a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from sabotnb.display import theme
from sabotnb.metrics import Finding


@dataclass(frozen=True, slots=True)
class Why:
    """The state of a job, the operator that causes it ("" for the whole job), and what to do about it."""

    kind: str
    operator: str
    sentence: str
    advice: str = ""

    @classmethod
    def of(cls, finding: Finding) -> Why:
        """Convert a finding of the rules."""
        return cls(finding.kind, finding.operator, finding.sentence, finding.advice)

    def __repr__(self) -> str:
        return f"{self.sentence}\n{self.advice}" if self.advice else self.sentence

    def _repr_html_(self) -> str:
        advice = f"<div>{theme.faint(self.advice)}</div>" if self.advice else ""
        return theme.panel(f"<div>{escape(self.sentence)}</div>{advice}")
