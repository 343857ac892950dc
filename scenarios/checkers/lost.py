"""An acknowledged job that is nowhere, or that lies somewhere while workers are free and nothing happens."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.history_faults import StoreLoss
from scenarios.history_rest import Rest
from scenarios.history_types import Job, Run, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes
    from scenarios.scenario import Scenario

ENDED_OTHERWISE: Final = ("dead", "cancelled")  # the second only where somebody asked for it
CALLED_OVER: Final = frozenset({"finished", "cancelled"})
LOST: Final = "lost acknowledgement"
STRANDED: Final = "stranded job"
ANOMALIES: Final = {
    LOST: Anomaly(
        definition=(
            "An acknowledged job never ended well, is no dead letter and not cancelled at anybody's request, and after"
            " all that the queue may still do no key holds it, or the queue calls it finished or cancelled."
        ),
        smallest=('acked("j", 0)\nstate("j", "absent")'),
        means="Work that the caller was told is safe is gone, and nobody will ever hear of it.",
    ),
    STRANDED: Anomaly(
        definition=(
            "An acknowledged job lies in a key although it is due, a worker is alive and free, and nothing "
            "has run for longer than the promised recovery."
        ),
        smallest=('acked("j", 0)\nstate("j", "waiting")'),
        means=("The job is not lost, but nothing will ever run it: only a person who looks into the keys can free it."),
    ),
}


def lost(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: acknowledged jobs. Explained: lost by the store, or by the one run that at-most-once grants.

    Undecided: acknowledged while the store rolled back, or read while the job may have been on its way between keys.
    """
    return look(history, promise, scenario).judged()


def look(history: "History", promise: Promise, scenario: "Scenario") -> Gathered:
    """The whole tally: the metrics need the name of every lost job, not of the first five."""
    acked = pl.col("outcome") == "acked"
    tally = Gathered(examined=history.count_jobs(acked))
    dead, cancelled = (pl.col("state").fill_null("") == state for state in ENDED_OTHERWISE)
    asked = pl.col("job").is_in([op["job"] for op in history.op_rows if op["op"] == "cancel"])
    heeded = pl.col("job").is_in(list(history.called_off))  # no record need be kept of what was cancelled
    over = dead | (cancelled & asked) | ((pl.col("state").fill_null("") == "absent") & heeded)
    missing = history.jobs_that(acked & (pl.col("n_ok") == 0) & ~over)
    if missing.is_empty():
        return tally
    causes = history.causes(promise, scenario.policy)
    rest = Rest(causes, scenario)
    allowance = _AtMostOnce(causes)
    for job in history.stories(missing):
        anomaly = _where(job, rest, history, scenario)
        if anomaly == "undecided":
            tally.undecided += 1
        elif anomaly and promise.delivery == "at_most_once" and allowance.excuses(job):
            tally.explained += 1
        elif anomaly:
            _judge_by_store(job, anomaly, rest, history, tally)
    return tally


def _where(job: Job, rest: Rest, history: "History", scenario: "Scenario") -> str:
    """``LOST``, ``STRANDED``, ``undecided`` or '' (still being worked on: unfinished)."""
    if not job.state:
        return "undecided"
    if job.state in CALLED_OVER and rest.settled(job):
        return LOST
    if job.found_in and job.state not in CALLED_OVER:
        return STRANDED if rest.stranded(job) else ""
    if job.job in rest.open_jobs:
        return ""
    if _used_up(job, rest.causes, history, scenario):
        return ""
    return LOST if rest.settled(job) else "undecided"


def _used_up(job: Job, causes: "Causes", history: "History", scenario: "Scenario") -> bool:
    """A queue without dead letters forgets a job that failed as often as it may."""
    return not history.can("dead_letters") and causes.failures_most(job) >= scenario.policy.max_attempts


def _judge_by_store(job: Job, anomaly: str, rest: Rest, history: "History", tally: Gathered) -> None:
    for loss in history.canary.losses:
        verdict = by_store(job, loss)
        if verdict == "lost_by_store":
            tally.explained += 1
            return
        if verdict == "undecided":
            tally.undecided += 1
            return
    seen = max([job.answered, *(min(run.end_hi, rest.read_at) for run in job.runs)])
    tally.findings.append(
        Finding(
            anomaly=anomaly,
            job=job.job,
            at_ns=seen,
            says=_sentence(job, anomaly, rest, history),
            runs=tuple(run.run for run in job.runs),
            causes_rejected=_rejected(job, rest, history),
        )
    )


def by_store(job: Job, loss: StoreLoss) -> str:
    """``survived``, ``lost_by_store`` or ``undecided``: what one roll-back did to the enqueue."""
    if job.answered < loss.safe or job.invoked > loss.until:
        return "survived"
    return "lost_by_store" if job.invoked > loss.lost_from and job.answered < loss.down else "undecided"


def lost_by_store(history: "History", jobs: pl.DataFrame) -> pl.DataFrame:
    """Those of ``jobs`` that are in no key, never ended well, and may have been lost by a roll-back."""
    gone = (pl.col("outcome") == "acked") & (pl.col("n_ok") == 0) & (pl.col("found_in").list.len() == 0)
    forgotten = pl.lit(value=False)
    for loss in history.canary.losses:
        forgotten |= (pl.col("answered") >= loss.safe) & (pl.col("invoked") <= loss.until)
    return jobs.filter(gone & forgotten)


def _sentence(job: Job, anomaly: str, rest: Rest, history: "History") -> str:
    zero = history.begin
    runs = (
        f"none of its {len(job.runs)} runs ended well, the last was {told(job.runs[-1], zero)}"
        if job.runs
        else "it never started"
    )
    start = f"Job {job.job} was acknowledged at {s(job.answered - zero):.3f} s; {runs}"
    if anomaly == STRANDED:
        return (
            f"{start}. It lies in {', '.join(job.found_in)} ({job.state}), although a worker was free and nothing"
            f" ran in the last {s(rest.quiet_ns):.1f} s."
        )
    if job.state in CALLED_OVER:
        return f"{start}. Yet the queue calls it {job.state}."
    return f"{start}. No key of the queue holds it."


def _rejected(job: Job, rest: Rest, history: "History") -> tuple[str, ...]:
    canary = history.canary
    store = (
        f"No store loss: all {canary.acked} canary writes survived."
        if not canary.losses
        else "No store loss in reach: the canary shows that writes of that time survived."
    )
    spec = f"Not the spec: {job.spec.to_json()} ends well or as a dead letter."
    waited = f"Not too early: the states were read {s(rest.quiet_ns):.1f} s after the last thing that happened."
    return (store, waited, spec)


class _AtMostOnce:
    """A kill or a cut may cost the run that it hit, and the jobs that slots had in hand, or on the way, unseen.

    So may the end of a process by its own job or its timeout.
    """

    def __init__(self, causes: "Causes") -> None:
        history, promise = causes.history, causes.promise
        # The end of a parent process may cost what it had fetched for all its slots, that of any other its own.
        parents = {(life.worker, life.pid) for lives in history.lives.values() for life in lives}
        killed = [(sent.worker, sent.pid) for sent in history.signals if sent.name == "KILL"]
        ends = sum(promise.slots if each in parents else 1 for each in killed)
        ends += history.runs.filter(pl.col("outcome") == "exit").height
        replies = sum(len(causes.cuts(worker)) for worker in history.lives) * promise.slots
        self.causes, self.left = causes, (ends + replies) * max(promise.prefetch, 1)

    def excuses(self, job: Job) -> bool:
        if any(self._hit(run) for run in job.runs):
            return True
        if job.runs or self.left == 0:
            return False
        self.left -= 1
        return True

    def _hit(self, run: Run) -> bool:
        window = self.causes.grant_lo(run), self.causes.report_hi(run)
        return bool(self.causes.deaths(run)) or self.causes.cut_in(run, *window) or run.failed
