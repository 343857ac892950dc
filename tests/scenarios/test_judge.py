"""How a checker's tally becomes a verdict: zero samples, a crash and a doubt never pass."""

from dataclasses import replace
from typing import Literal

import polars as pl
import pytest
from stormproof_target import ABILITIES, Promise
from stormproof_target.spec import fails

from loadtests.arrivals import constant
from reports.verdict import Verdict
from scenarios.checkers import Finding, Judged
from scenarios.checkers import registry as registered
from scenarios.history import History, HistoryError
from scenarios.judge import CheckerJudgement, judge
from scenarios.scenario import Scenario
from tests.scenarios.histories import (
    PROMISE,
    SCENARIO,
    Lines,
    acked,
    away,
    canary,
    cut,
    fault,
    history,
    run,
    state,
    target,
)

pytestmark = pytest.mark.unit

DONE = (acked("j", 0), run("j", 0.1, 0.2), state("j", "finished"))


def of(name: str, *lines: Lines, promise: Promise = PROMISE, scenario: Scenario = SCENARIO) -> CheckerJudgement:
    return next(each for each in judge(history(*lines), promise, scenario).checkers if each.name == name)


def with_checker(monkeypatch: pytest.MonkeyPatch, judged: Judged | BaseException) -> None:
    def check(history: History, promise: Promise, scenario: Scenario) -> Judged:
        del history, promise, scenario
        if isinstance(judged, BaseException):
            raise judged
        return judged

    monkeypatch.setitem(registered.CHECKERS, "lost", replace(registered.CHECKERS["lost"], check=check))


def test_a_clean_history_passes() -> None:
    judgement = judge(history(*DONE), PROMISE, SCENARIO)
    assert judgement.verdict is Verdict.PASS
    assert not judgement.failed


def test_a_finding_fails_whatever_else_passes() -> None:
    judgement = judge(history(*DONE, acked("k", 0), state("k", "absent")), PROMISE, SCENARIO)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.failed == ("lost",)


def test_nothing_to_examine_is_inconclusive_where_the_workload_needs_the_checker() -> None:
    assert of("lost").verdict is Verdict.INCONCLUSIVE


def test_nothing_to_examine_is_not_applicable_where_it_does_not() -> None:
    assert of("backoff", *DONE).verdict is Verdict.NOT_APPLICABLE


def test_failing_jobs_make_the_checker_of_their_delays_needed() -> None:
    load = constant(rate_s=10, for_s=1, jobs={fails(times=1): 1})
    assert of("backoff", *DONE, scenario=replace(SCENARIO, load=load)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), pl.exceptions.PanicException("index out of bounds")])
def test_a_checker_that_crashes_is_inconclusive(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    with_checker(monkeypatch, error)
    crashed = of("lost", *DONE)
    assert crashed.verdict is Verdict.INCONCLUSIVE
    assert str(error) in crashed.error


@pytest.mark.parametrize(("undecided", "verdict"), [(1, Verdict.PASS), (2, Verdict.INCONCLUSIVE)])
def test_more_than_one_in_a_hundred_undecided_is_inconclusive(
    monkeypatch: pytest.MonkeyPatch, undecided: int, verdict: Verdict
) -> None:
    with_checker(monkeypatch, Judged(100, undecided=undecided))
    assert of("lost", *DONE).verdict is verdict


def test_a_store_that_loses_what_it_was_to_keep_can_t_be_judged_on() -> None:
    rolled_back = history(*DONE, canary(1, 1), canary(2, 2, missing=True))
    with pytest.raises(HistoryError, match="lost 1 of 2 writes"):
        judge(rolled_back, PROMISE, SCENARIO)
    assert judge(rolled_back, PROMISE, replace(SCENARIO, durability="everysec")).verdict is Verdict.PASS
    restored = fault("restore_backup-1", 1.5, 1.9, "store_down", kind="restore backup")  # which is to lose something
    assert (
        judge(history(*DONE, canary(1, 1), canary(2, 2, missing=True), restored), PROMISE, SCENARIO).verdict
        is Verdict.PASS
    )
    restarted = fault("redis_restart-1", 1.5, 1.9, "store_down", kind="redis restart")
    with pytest.raises(HistoryError, match="lost 1 of 2 writes"):
        judge(history(*DONE, canary(1, 1), canary(2, 2, missing=True), restarted), PROMISE, SCENARIO)


def test_a_target_without_the_ability_is_not_judged_by_it() -> None:
    bare = target(set(ABILITIES) - {"dead_letters"})
    judged = of("dead_letters", bare, *DONE)
    assert judged.verdict is Verdict.NOT_APPLICABLE
    assert "dead_letters" in judged.why


def test_a_promise_that_nobody_gave_can_t_be_broken() -> None:
    """A clause without a source yields no finding, even where the history is bad."""
    twice = (*DONE, run("j", 5, 5.1))
    assert of("duplicates", *twice).verdict is Verdict.FAIL
    silent = replace(PROMISE, sources={"max_attempts": PROMISE.sources["delivery"]})
    assert of("duplicates", *twice, promise=silent).verdict is Verdict.NOT_APPLICABLE


def test_a_finding_names_the_clause_as_the_target_declared_it() -> None:
    source = PROMISE.sources["delivery"]
    for declared in ("lease", "lease_s"):
        promise = replace(PROMISE, sources={declared: source})
        (finding,) = of("overlap", *DONE, run("j", 0.15, 0.25), promise=promise).judged.findings
        assert finding.clause == declared


def test_who_promises_delivery_has_not_promised_that_a_job_runs_once_or_stands_in_one_place() -> None:
    """A finding quotes the sentence that is broken, so a broader one will not do."""
    promise = replace(PROMISE, sources={"delivery": PROMISE.sources["delivery"]})
    for checker in ("duplicates", "overlap", "states", "dead_letters"):
        assert of(checker, *DONE, run("j", 5, 5.1), promise=promise).verdict is Verdict.NOT_APPLICABLE


def test_only_the_first_five_findings_are_kept_and_all_are_counted() -> None:
    many = [line for n in range(8) for line in (acked(f"j{n}", n), state(f"j{n}", "absent"))]
    judged = of("lost", *many).judged
    assert (len(judged.findings), judged.total) == (5, 8)
    assert [finding.job for finding in judged.findings] == [f"j{n}" for n in range(5)]


def test_a_finding_of_a_repeat_rejects_each_cause_with_its_numbers() -> None:
    (finding,) = of("duplicates", *DONE, run("j", 5, 5.1)).judged.findings
    assert isinstance(finding, Finding)
    assert len(finding.causes_rejected) == 7
    assert all(": " in sentence and sentence.endswith(".") for sentence in finding.causes_rejected)
    assert "0.000 s to 0.400 s" in " ".join(finding.causes_rejected)


def _lease(*lines: Lines, promise: Promise = PROMISE) -> str:
    (finding,) = of("duplicates", acked("j", 0), *lines, promise=promise).judged.findings
    return next(sentence for sentence in finding.causes_rejected if sentence.startswith("Lease"))


def test_a_finding_measures_a_lease_until_the_end_was_heard_or_an_outage_began() -> None:
    """What would be long enough, and came after that, is not held against it, and so not told."""
    again = run("j", 7, 7.1, on="w2", fence=2)
    said = _lease(run("j", 0.5, 1, fence=1), cut("w1", 0.8, 0.9), cut("w1", 2, 6), again)
    assert said == (
        "Lease not ended: w1 was cut off for at most 0.100 s between 0.300 s and 1.200 s; 1.130 s are needed"
        " (lease - heartbeat - margin)."
    )
    outage = fault("full", 1.95, 5.1, "refused") + away(2, 5)
    held = (run("j", 1.9, 7, fence=1), outage, run("j", 5.2, 5.3, on="w2", fence=2))
    said = _lease(*held, promise=replace(PROMISE, hold_s=2.0))
    assert said == (
        "Lease not ended: w1 was cut off for at most 0.150 s between 1.700 s and 2.100 s; 1.130 s are needed"
        " (lease - heartbeat - margin). No lease ends from 2.100 s to 6.800 s: promised after an outage."
    )


@pytest.mark.parametrize("durability", ["everysec", "no"])
def test_a_roll_back_too_short_for_a_number_to_show_accuses_nobody(durability: Literal["everysec", "no"]) -> None:
    """The store died 2 ms after it had acknowledged the job, and before the canary's next number."""
    told = (
        acked("j", 1.012), canary(1, 0.98), canary(2, 1.0), canary(3, 2.0), state("j", "absent"),
        acked("k", 0), run("k", 0.5, 1.005), run("k", 2.1, 2.2, on="w2"), state("k", "finished"),
        fault("restart", 1.015, 1.9, "store_down", kind="redis restart"),
    )  # fmt: skip
    scenario = replace(SCENARIO, durability=durability)
    assert of("lost", *told, scenario=scenario).judged.undecided == 1
    assert not of("lost", *told, scenario=scenario).judged.total
    assert not of("duplicates", *told, scenario=scenario).judged.total
    assert of("lost", *told).judged.total == 1  # one that keeps each write has nothing to forget
    before = (*told, acked("l", 0.7), state("l", "absent"))
    assert of("lost", *before, scenario=scenario).judged.total == 1  # a number that came later survived
