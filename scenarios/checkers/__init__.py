"""Checkers: pure functions of the history that find what a queue did wrong. One file each; see ``registry.py``.

A finding accuses a queue, so each is sound: times that are not known exactly are intervals, and a rule fires only if
it is broken for every value in them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stormproof_target import Promise

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

FINDINGS_SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What a name of ``Finding.anomaly`` stands for; each checker's module declares its own in ``ANOMALIES``.

    ``definition``: what the history shows, for every value that an unknown time may have. ``smallest``: a history that
    shows it and nothing else, a part a line, written with the helpers of ``tests/scenarios/histories.py``; a
    test judges it. ``means``: what it comes to for who uses the queue. ``under``: what else the history needs,
    fields of the promise and of the policy (``promise(self_fencing=True)``, ``policy(max_attempts=1)``).
    """

    definition: str
    smallest: str
    means: str
    under: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One anomaly, by a name that its checker declares.

    ``says`` is a sentence; ``runs`` the runs it is about; ``causes_rejected`` why no cause holds.
    ``at_ns`` is monotonic. ``clause`` names the clause of the promise that is broken: without its source
    there is no finding.
    """

    anomaly: str
    job: str | None
    at_ns: int
    says: str
    runs: tuple[str, ...] = ()
    causes_rejected: tuple[str, ...] = ()
    clause: str = "delivery"


@dataclass(frozen=True, slots=True)
class Judged:
    """What a checker looked at and found; ``findings`` holds the first five, ``total`` counts all."""

    examined: int
    findings: tuple[Finding, ...] = ()
    total: int = 0
    explained: int = 0
    undecided: int = 0


Checker = Callable[["History", Promise, "Scenario"], Judged]
