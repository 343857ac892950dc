"""A job that must be a dead letter and is none, one that is and must not be, or one that does not say truly why."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.checkers.rejected import state_rejected
from scenarios.history_rest import Rest
from scenarios.history_types import Job, Run, ns, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes
    from scenarios.scenario import Scenario

ANOMALIES: Final = {
    "missing dead letter": Anomaly(
        definition=(
            "The failures (or crashes, or ended leases) that the queue surely counted reach a limit, and "
            "after all rests the job is no dead letter."
        ),
        smallest=('acked("j", 0, spec=fails())\nrun("j", 1, 1.1, "error")\nstate("j", "absent")'),
        means="A job that failed for good leaves no trace: nobody can see why, or send it again.",
        under="policy(max_attempts=1)",
    ),
    "premature dead letter": Anomaly(
        definition=("A job is a dead letter though no limit is reached, whatever a kill or a cut may have hidden."),
        smallest=('acked("j", 0, spec=fails())\nstate("j", "dead")'),
        means="A job that could have succeeded is given up.",
    ),
    "dead although done": Anomaly(
        definition=(
            "A job is a dead letter though one of its runs ended well, and nothing kept the queue from hearing of it."
        ),
        smallest=('acked("j", 0)\nrun("j", 1, 1.1)\nstate("j", "dead")'),
        means="Whoever sends the dead letter again repeats work that was done.",
    ),
    "doubled dead letter": Anomaly(
        definition="One job stands more than once in the list of dead letters.",
        smallest=(
            'acked("j", 0, spec=fails())\nrun("j", 1, 1.1, "error")\nstate("j", "dead", found_in=["dead", "dead"])'
        ),
        means="Counts are wrong, and sending all dead letters again runs the job twice.",
        under="policy(max_attempts=1)",
    ),
    "false reason": Anomaly(
        definition="A dead letter gives a reason that its runs can't have led to.",
        smallest=('acked("j", 0, spec=fails())\nrun("j", 1, 1.1, "error")\nstate("j", "dead", reason="crashed")'),
        means="Whoever looks for the fault looks in the wrong place.",
        under="policy(max_attempts=1)",
    ),
    "no reason": Anomaly(
        definition="A dead letter gives no reason, though the queue gives one for others.",
        smallest=(
            '*(acked(name, 0, spec=fails()) for name in ("j", "k"))\n'
            'run("j", 1, 1.1, "error")\n'
            'run("k", 1, 1.1, "error", on="w2")\n'
            'state("j", "dead", reason="")\n'
            'state("k", "dead", reason="exhausted")'
        ),
        means="Nobody can tell whether to send it again.",
        under="policy(max_attempts=1)",
    ),
    "false history": Anomaly(
        definition=(
            "A dead letter tells of fewer attempts than the queue surely counted, or of more than can have been made."
        ),
        smallest=('acked("j", 0, spec=fails())\nrun("j", 1, 1.1, "error")\nstate("j", "dead", attempts=7)'),
        means="What the record says about the job's attempts can't be relied on.",
        under="policy(max_attempts=1)",
    ),
}
NEVER_SENT: Final = frozenset({"unsupported", "unserialisable"})


def dead_letters(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: dead letters, and jobs that ran without ever ending well. Explained: those that may be either.

    Must: the attempts (or crashes) that the queue surely counted reach the limit. Must not: even with all that may
    have been hidden no limit is reached, or a run ended well and nothing kept the queue from hearing of it.
    """
    dead = pl.col("state").fill_null("") == "dead"
    tally = Gathered()
    causes, reasons = history.causes(promise, scenario.policy), history.count_jobs(dead & (pl.col("reason") != ""))
    rest = Rest(causes, scenario)
    for job in history.stories(history.jobs_that(dead | ((pl.col("n_runs") > 0) & (pl.col("n_ok") == 0)))):
        if not job.state:
            tally.undecided += 1
            continue
        must = _must(job, causes)
        tally.examined += 1
        if job.state != "dead":
            if job.state == "cancelled" or (job.state == "absent" and job.job in history.called_off):
                must = ""  # what an operator wanted ended is no dead letter, however it failed meanwhile
            if must and job.outcome != "rejected" and rest.settled(job) and not causes.begun_anew(job):
                tally.findings.append(_missing(job, must, rest))
            else:
                tally.explained += 1
            continue
        problems = list(_wrong(job, causes, says_why=reasons > 0))
        tally.findings += [_finding(job, anomaly, says, rest) for anomaly, says in problems]
        tally.explained += not must and not problems
    return tally.judged()


def _must(job: Job, causes: "Causes") -> str:
    """Why it must be a dead letter ('' : it need not)."""
    attempts, most = causes.attempts_surely(job), causes.policy.max_attempts
    if attempts >= most:
        return f"its {most} attempts failed"
    crashes, bound = sum(causes.crashed_surely(run, job) for run in job.runs), causes.promise.max_crashes
    if bound is not None and crashes > bound:
        return f"it ended its process {crashes} times, where {bound} are allowed"
    noticed = [run for run in job.runs if run is not job.runs[-1] or _lease_is_over(run, job, causes)]
    stalls, bound = sum(causes.stalled_surely(run, job) for run in noticed), causes.promise.max_stalls
    if bound is not None and stalls > bound:
        return f"it took its whole worker with it {stalls} times, where {bound} are allowed"
    return ""


def _lease_is_over(run: Run, job: Job, causes: "Causes") -> bool:
    """Whether its state was read so long after the death that a lease which nobody renews had been missed by then."""
    return job.state_at - run.end_hi > ns(causes.promise.recovery_s)


def _wrong(job: Job, causes: "Causes", *, says_why: bool) -> Iterator[tuple[str, str]]:
    policy, promise = causes.policy, causes.promise
    twice = sorted({key for key in job.found_in if job.found_in.count(key) > 1})
    if twice:
        yield "doubled dead letter", f"stands more than once in {', '.join(twice)}"
    if causes.history.canary.losses or causes.begun_anew(job):
        return
    good = [run for run in job.runs if run.outcome == "ok" and causes.reported_surely(run, job)]
    if good:
        yield "dead although done", f"is a dead letter, although {told(good[-1], causes.history.begin)}"
        return
    crashes, stalls = causes.crashes_most(job), causes.stalls_most(job)
    crashed = promise.max_crashes is not None and crashes >= promise.max_crashes
    stalled = promise.max_stalls is not None and stalls >= promise.max_stalls
    failures = causes.failures_most(job)
    if failures < policy.max_attempts and not crashed and not stalled:
        yield (
            "premature dead letter",
            (
                f"is a dead letter after at most {failures} of {policy.max_attempts} attempts,"
                f" {crashes} crashes and {stalls} ended leases"
            ),
        )
    timed_out = any(run.outcome == "timeout" or causes.may_be_timed_out(run) for run in job.runs) or causes.hidden(job)
    lies = {"crashed": not crashed, "stalled": not stalled, "timeout": not timed_out}
    if lies.get(job.reason) or job.reason in NEVER_SENT:
        yield "false reason", f"is a dead letter because {job.reason}, which its runs do not bear out"
    if says_why and not job.reason:
        yield "no reason", "is a dead letter that does not say why"
    if job.told_attempts is not None:
        low, high = min(causes.attempts_surely(job), policy.max_attempts), len(job.runs) + causes.hidden(job)
        if not low <= job.told_attempts <= high:
            yield (
                "false history",
                f"is a dead letter that tells of {job.told_attempts} attempts, where {low} to {high} were made",
            )


def _missing(job: Job, must: str, rest: Rest) -> Finding:
    where = f"lies in {', '.join(job.found_in)} ({job.state})" if job.found_in else "is nowhere"
    return _finding(
        job,
        "missing dead letter",
        f"must be a dead letter, since {must}; {s(rest.quiet_ns):.1f} s after the last event it {where}",
        rest,
    )


def _finding(job: Job, anomaly: str, says: str, rest: Rest) -> Finding:
    last = job.runs[-1] if job.runs else None
    return Finding(
        anomaly=anomaly,
        job=job.job,
        at_ns=last.end_lo if last else job.state_at,
        says=f"Job {job.job} {says}" + (f". Its last was {told(last, rest.history.begin)}." if last else "."),
        runs=tuple(run.run for run in job.runs),
        causes_rejected=state_rejected(rest.causes, job, rest.quiet_ns),
        clause="dead_letters",
    )
