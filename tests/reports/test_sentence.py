from dataclasses import replace

import pytest

from reports.run_record import FindingRecord, Marks, Part, RunRecord
from reports.sentence import headline, outcome
from reports.verdict import Verdict
from tests.reports import sample


def alone(part: Part) -> RunRecord:
    return replace(sample.single(), parts=(part,))


def with_finding(checker: str, times: int, anomaly: str = "") -> Part:
    """A part in which one checker alone found something."""
    run = sample.calm_run("redis_disconnects", "claim", sample._disconnects(), p95_s=0.5)
    finding = replace(sample.stranded(), checker=checker, anomaly=anomaly or checker, times=times, timeline=())
    run = replace(run, verdict=Verdict.FAIL, findings=(finding,), why=(f"{checker}: {times} findings",))
    return replace(sample.reference_part(), scenarios=(run,), verdict=Verdict.FAIL)


def test_lost_jobs_and_the_fault_that_the_finding_itself_tells_of() -> None:
    assert headline(sample.single()) == (
        "FAIL: RQ 3.0.0 stranded 3 of 612 acknowledged jobs when a worker tree was killed"
    )


def test_unfinished_jobs_are_not_called_lost() -> None:
    run = sample.workers_killed()
    metrics = tuple(
        replace(each, value={"lost": 0, "unfinished": 3}.get(each.name, each.value)) for each in run.metrics
    )
    run = replace(run, metrics=metrics, marks=Marks(load_ends_s=24.5), findings=(sample.slow_recovery(),))
    part = replace(sample.rq_part(), scenarios=(run,))
    assert outcome(part) == "RQ 3.0.0 left 3 of 612 acknowledged jobs unfinished in “Workers killed”"


def test_without_evidence_of_which_fault_it_was_only_the_scenario_is_named() -> None:
    run = sample.workers_killed()
    run = replace(run, findings=(replace(run.findings[0], timeline=()),))
    assert outcome(replace(sample.rq_part(), scenarios=(run,))).endswith("acknowledged jobs in “Workers killed”")


def test_a_fault_that_was_the_only_one_is_the_circumstance() -> None:
    run = sample.workers_killed()
    run = replace(run, faults=run.faults[:1], findings=(replace(run.findings[0], timeline=()),))
    assert outcome(replace(sample.rq_part(), scenarios=(run,))).endswith("when a worker’s slot was killed")


@pytest.mark.parametrize(
    ("checker", "says"),
    [
        ("duplicates", "ran 1 job again without a cause"),
        ("overlap", "ran 1 job twice at the same time"),
        ("phantom", "ran 1 job that nobody had enqueued so"),
        ("states", "ended with a wrong state of 1 job"),
        ("control", "started 1 job that an operator had stopped"),
        ("tomorrows", "broke its promise (tomorrows) with 1 job"),
    ],
)
def test_each_checker_has_its_accusation(checker: str, says: str) -> None:
    assert outcome(with_finding(checker, 1)) == f"reference 0.1.0 {says} in “Redis disconnects”"


@pytest.mark.parametrize(
    ("checker", "anomaly", "says"),
    [
        ("overlap", "double lease", "ran 1 job twice at the same time"),
        ("overlap", "fence went back", "granted 1 job with a lower fence than before"),
        ("overlap", "unfenced zombie", "went on with 1 job after the lease had ended"),
        ("attempts", "false attempt number", "told 1 job a false attempt number"),
        ("backoff", "no jitter", "retried without the jitter of its backoff"),
        ("unknown", "rejected in calm", "rejected 1 job in calm time"),
        ("leaks", "memory kept of runs", "kept memory or descriptors, or computed with nothing to do"),
    ],
)
def test_an_anomaly_that_its_checkers_words_do_not_fit_has_its_own(checker: str, anomaly: str, says: str) -> None:
    assert outcome(with_finding(checker, 1, anomaly)) == f"reference 0.1.0 {says} in “Redis disconnects”"


def test_a_missed_objective_is_told_with_measured_value_and_limit() -> None:
    run = sample.calm_run("latency", "claim", sample._latencies(), p95_s=4.2)
    part = replace(sample.reference_part(), scenarios=(run,), verdict=Verdict.FAIL)
    assert outcome(part) == "reference 0.1.0 missed an objective: p95 job time was 4.20 s, to be < 3 s in “Latency”"


def test_a_suite_that_never_met_what_it_needs_says_so() -> None:
    never = replace(sample.MOMENTS[1], times=0, scenarios=())
    part = replace(sample.reference_part(), verdict=Verdict.INCONCLUSIVE, sometimes=(never,))
    assert outcome(part) == "reference 0.1.0 can’t be judged: its scenarios never met “claims in an outage”"


def test_inconclusive_says_why() -> None:
    part = replace(sample.rq_part(), scenarios=(sample.redis_restart_dud(),), verdict=Verdict.INCONCLUSIVE)
    assert headline(alone(part)) == (
        "INCONCLUSIVE: RQ 3.0.0 can’t be judged: in “Redis restart”, fault did not fire: redis restart"
    )


def test_inconclusive_by_a_policys_objective_names_it() -> None:
    part = replace(sample.rq_part(), scenarios=(sample.steady(),), verdict=Verdict.INCONCLUSIVE)
    assert outcome(part).startswith("RQ 3.0.0 can’t be judged: Recovery: lower bound")


def test_pass_counts_faults_scenarios_and_jobs() -> None:
    assert headline(sample.passed()) == (
        "PASS: reference 0.1.0 kept every promise through 11 faults in six scenarios: "
        "none of 3,207 acknowledged jobs lost"
    )


def test_a_campaign_in_which_each_part_ended_as_it_should_says_so() -> None:
    assert headline(sample.campaign()) == (
        "PASS, as expected: reference 0.1.0 kept every promise through 11 faults; the planted bug was caught by lost; "
        "RQ 3.0.0 stranded 3 of 612 acknowledged jobs when a worker tree was killed (as found)"
    )


def test_the_part_that_did_not_end_as_it_should_leads() -> None:
    record = sample.campaign()
    reference, planted, rq = record.parts
    missed = replace(planted, caught_by="overlap")
    assert headline(replace(record, parts=(reference, missed, rq))) == (
        "FAIL: the planted bug (accepts a job and drops it) was not caught by overlap"
    )
    broken = replace(reference, scenarios=(sample.workers_killed(),), verdict=Verdict.FAIL)
    assert headline(replace(record, parts=(broken, planted, rq))).startswith("FAIL: reference 0.1.0 stranded 3 of 612")


def test_a_failure_that_nothing_else_tells_is_told_by_its_reason() -> None:
    run = replace(sample.steady(), verdict=Verdict.FAIL, why=("the sky fell",), findings=())
    part = replace(sample.reference_part(), scenarios=(run,), verdict=Verdict.FAIL)
    assert outcome(part) == "reference 0.1.0 failed “Steady”: the sky fell"


def test_slower_than_objective_is_never_called_a_broken_promise() -> None:
    finding = FindingRecord(id="F1", kind="slower than objective", anomaly="x", checker="lost", says="slow")
    run = replace(sample.steady(), verdict=Verdict.FAIL, findings=(finding,), why=("slow",))
    part = replace(sample.reference_part(), scenarios=(run,), verdict=Verdict.FAIL)
    assert "promise" not in outcome(part)


def test_of_several_faults_in_a_finding_the_last_told_is_the_circumstance() -> None:
    """Labels are the schedule's own (``kill_tree-5``); a timeline speaks of a fault by its name."""
    run = sample.workers_killed()
    faults = tuple(replace(fault, label=f"{fault.name.replace(' ', '_')}-{k}") for k, fault in enumerate(run.faults))
    rows = tuple(
        replace(run.findings[0].timeline[0], what=what) for what in ("kill slot (worker-1)", "kill tree (all)")
    )
    run = replace(run, faults=faults, findings=(replace(run.findings[0], timeline=rows),))
    assert outcome(replace(sample.rq_part(), scenarios=(run,))).endswith("when a worker tree was killed")
