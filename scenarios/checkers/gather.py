"""Adds up what a checker saw, and keeps its first findings in order of time."""

from dataclasses import dataclass, field
from typing import Final

from scenarios.checkers import FINDINGS_SHOWN_MAX, Finding, Judged
from scenarios.history_types import FOREVER, Run, s

OUTCOMES: Final = {
    "ok": "ended well",
    "error": "failed",
    "timeout": "ran into its timeout",
    "cancelled": "was cancelled",
    "exit": "ended with its process",
    "open": "has no end",
}


@dataclass(slots=True)
class Gathered:
    """A checker's tally while it looks."""

    examined: int = 0
    explained: int = 0
    undecided: int = 0
    findings: list[Finding] = field(default_factory=list)

    def judged(self) -> Judged:
        """The first few findings, the number of all."""
        first = sorted(self.findings, key=lambda finding: (finding.at_ns, finding.job or ""))[:FINDINGS_SHOWN_MAX]
        return Judged(self.examined, tuple(first), len(self.findings), self.explained, self.undecided)


def told(run: Run, zero: int) -> str:
    """A run in words: ``run r-1 on worker-1 pid 312 (2.105 s to 2.131 s, ended well)``; times since ``zero``."""
    end = "?" if run.end_hi >= FOREVER else f"{s(run.end_hi - zero):.3f} s"
    return (
        f"run {run.run} on {run.worker} pid {run.pid} ({s(run.start - zero):.3f} s to {end}, {OUTCOMES[run.outcome]})"
    )
