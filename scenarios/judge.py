"""Judges a history: every checker, each with a verdict of its own. A checker that crashes can't pass."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from reports.verdict import Verdict, worst
from scenarios.checkers import Judged
from scenarios.checkers.registry import CHECKERS, Registered, clause_of
from scenarios.doubts import ROLL_BACKS, doubts
from scenarios.history_read import HistoryError

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

UNDECIDED_SHARE_MAX: Final = 0.01
NOTHING: Final = Judged(0)


@dataclass(frozen=True, slots=True)
class CheckerJudgement:
    """One checker's verdict. ``why`` says what stands behind anything but a pass; ``error``: it crashed ('' : no)."""

    name: str
    looks_at: str
    judged: Judged
    verdict: Verdict
    needed: bool
    why: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """All checkers over one history, in the registry's order: the weightiest anomaly first.

    ``doubts``: why the history itself can't be relied on. A finding stands all the same; a pass does not.
    """

    checkers: tuple[CheckerJudgement, ...]
    doubts: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst of them; not better than inconclusive where the history is in doubt."""
        return worst([*(each.verdict for each in self.checkers), *[Verdict.INCONCLUSIVE] * len(self.doubts)])

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checkers that found something."""
        return tuple(each.name for each in self.checkers if each.verdict is Verdict.FAIL)


def judge(
    history: "History", promise: Promise, scenario: "Scenario", checkers: Mapping[str, Registered] = CHECKERS
) -> Judgement:
    """Run every checker of the registry; pure, and the same for the same history.

    Raises ``HistoryError`` if the store lost what it was set up to keep: nothing that ran on it can be judged then.
    """
    restored = any(span.kind in ROLL_BACKS for span in history.faults)
    if scenario.durability == "always" and history.canary.missing and not restored:
        raise HistoryError(
            f"the store lost {history.canary.missing} of {history.canary.acked} writes that it had acknowledged under"
            " appendfsync always: a disk or a server that does not keep what it says it keeps"
        )
    history.stored_under(scenario.durability)
    judged = tuple(_one(name, registered, history, promise, scenario) for name, registered in checkers.items())
    return Judgement(judged, doubts(history))


def _one(
    name: str, registered: Registered, history: "History", promise: Promise, scenario: "Scenario"
) -> CheckerJudgement:
    def ended(verdict: Verdict, why: str = "", judged: Judged = NOTHING, error: str = "") -> CheckerJudgement:
        return CheckerJudgement(name, registered.looks_at, judged, verdict, needed, why, error)

    needed = registered.needed(scenario)
    if registered.abilities and not any(history.can(ability) for ability in registered.abilities):
        return ended(Verdict.NOT_APPLICABLE, f"the target has no {' or '.join(registered.abilities)}")
    if not clause_of(promise, registered.clause):
        return ended(Verdict.NOT_APPLICABLE, f"the target promises nothing about {registered.clause}")
    try:
        judged = _promised(registered.check(history, promise, scenario), promise, registered)
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  # a crash is no pass, whatever crashed
        return ended(Verdict.INCONCLUSIVE, "the checker crashed", error=f"{type(error).__name__}: {error}"[:500])
    return ended(*_verdict(judged, needed=needed), judged)


def _promised(judged: Judged, promise: Promise, registered: Registered) -> Judged:
    """Each finding under the name that the target gave the clause, else under that of the checker's own."""
    own = clause_of(promise, registered.clause)
    named = tuple(replace(each, clause=clause_of(promise, each.clause) or own) for each in judged.findings)
    return replace(judged, findings=named)


def _verdict(judged: Judged, *, needed: bool) -> tuple[Verdict, str]:
    if judged.total:
        return Verdict.FAIL, judged.findings[0].says
    if judged.examined == 0:
        why = "nothing to examine, though the workload needs it" if needed else "nothing to examine"
        return (Verdict.INCONCLUSIVE if needed else Verdict.NOT_APPLICABLE), why
    if judged.undecided > UNDECIDED_SHARE_MAX * judged.examined:
        return Verdict.INCONCLUSIVE, f"{judged.undecided} of {judged.examined} can't be decided"
    return Verdict.PASS, ""
