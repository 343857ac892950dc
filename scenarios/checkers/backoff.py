"""Delays between attempts: shorter than the policy's, longer with a worker free, or (``spread``) without its jitter."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from chaos.causes import Cause
from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.checkers.spread import ANOMALIES as SPREAD
from scenarios.checkers.spread import Spread
from scenarios.free_slots import Capacity, Fresh, promoted_within
from scenarios.history_cuts import covered_ns
from scenarios.history_types import Job, Run, ns, s
from scenarios.windows import disturbed

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes
    from scenarios.scenario import Scenario

ANOMALIES: Final = {
    "early retry": Anomaly(
        definition=(
            "A failed job ran again sooner than its backoff allows for any number of failures that the queue "
            "may have counted."
        ),
        smallest=('acked("j", 0, spec=fails(times=1))\nrun("j", 1, 1.1, "error")\nrun("j", 1.3, 1.4)'),
        means=(
            "Whatever just failed is asked again at once: a service in trouble gets no pause, and the "
            "attempts are used up in its bad moment."
        ),
        under='policy(backoff=BackoffPolicy("fixed", 1.0, 1.0, "none"))',
    ),
    "late retry": Anomaly(
        definition=(
            "In calm time, with a slot surely free since it was due, a failed job ran again later than its "
            "longest backoff, the sweep and the way to its body allow."
        ),
        smallest=('acked("j", 0, spec=fails(times=1))\nrun("j", 1, 1.1, "error")\nrun("j", 6, 6.1)'),
        means=("A short failure delays the job by far more than the policy says, though workers were idle."),
        under='policy(backoff=BackoffPolicy("fixed", 1.0, 1.0, "none"))',
    ),
    **SPREAD,
}
CLOCK_SLACK_NS: Final = (
    5_000_000  # the server's clock against the monotonic one over a delay of seconds: 500 ppm and rounding
)
STEP_NS: Final = ns(0.1)
_REJECTED: Final = {
    "early retry": (
        "No other cause: no kill, cut, stop, store loss or request may have made it run again.",
        "No miscount: for no number of failures that the queue may have counted is the delay so short.",
        f"No clock: {CLOCK_SLACK_NS / 1e6:g} ms are allowed for the server's clock against ours.",
    ),
    "late retry": (
        "No other cause: no kill, cut, stop, store loss or request lies between the two runs.",
        "No backlog: a slot was free from the longest backoff on until it started.",
        "No disturbance: no fault and no stall lies near it, and sweep and start are added to the longest backoff.",
    ),
}


def backoff(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: pairs of a failure and its repeat. One that has another cause too is explained, and says nothing."""
    causes = history.causes(promise, scenario.policy)
    tally = Gathered()
    spread = Spread(causes)
    failed = history.jobs_that((pl.col("n_failed") > 0) & ((pl.col("n_runs") > 1) | spread.wanted))
    quiet = disturbed(history, ns(promise.recovery_s), stalls=False)
    fresh = Fresh(history)
    slots = Capacity(history, min(scenario.workers.slots, promise.slots)) if len(failed) else None
    for job in history.stories(failed):
        for index, (a, b) in enumerate(job.pairs, start=1):
            if not a.failed:
                continue
            tally.examined += 1
            if causes.repeat(a, b, job) != {Cause.FAILED} or not causes.failed_surely(a, job):
                tally.explained += 1
                spread.unknown(a, job, causes)
                continue
            bounds = _bounds(job, causes, index)
            in_calm = not any(lo <= b.start and hi >= a.start for lo, hi in quiet)
            way = ns(promise.start_gap_s) + promoted_within(promise) + covered_ns(history.stalled, a.end_lo, b.start)
            if b.start - _failed_lo(a, causes) + CLOCK_SLACK_NS < bounds[0]:
                tally.findings.append(_finding("early retry", job, a, b, bounds, history))
            elif in_calm and slots and _too_late(a, b, bounds, promise, slots, way):
                tally.findings.append(_finding("late retry", job, a, b, bounds, history))
            if spread.wants(bounds) and all(causes.failed_surely(run, job) for run in job.runs[:index]):
                until = _waited_until(a, b, causes, slots, fresh, way) if in_calm and slots else None
                spread.seen(a, b, bounds, index, until)
        if job.runs[-1].failed and job.state != "dead":  # it may come back yet, after a long delay
            spread.unknown(job.runs[-1], job, causes)
    tally.findings += spread.findings()
    return tally.judged()


def _failed_lo(run: Run, causes: "Causes") -> int:
    """From when on the queue may have counted it as failed: one that is out of time may take a while to end."""
    if run.outcome != "timeout":
        return run.end_lo
    return min(run.end_lo, max(run.start, causes.grant_lo(run) + ns(causes.policy.timeout_s)))


def _bounds(job: Job, causes: "Causes", index: int) -> tuple[int, int]:
    """Least and most in ns over every number of failures that the queue may have counted before the pair."""
    surely = max(sum(causes.failed_surely(run, job) for run in job.runs[:index]), 1)
    most = max(index, min(index + causes.hidden(job, job.pairs[index - 1][1].start), causes.policy.max_attempts))
    each = [causes.policy.backoff.bounds_s(k) for k in range(surely, max(most, surely) + 1)]
    return ns(min(low for low, _ in each)), ns(max(high for _, high in each))


def _limited(promise: Promise) -> bool:
    """Whether a free slot proves nothing: a backlog delays lawfully, and so does a batch in hand or a limit."""
    return promise.prefetch > 1 or promise.concurrency is not None or promise.rate_n is not None


def _too_late(a: Run, b: Run, bounds: tuple[int, int], promise: Promise, slots: Capacity, way: int) -> bool:
    """Only a slot that was surely free accuses.

    The delay begins when the queue hears of the failure, up to ``report_s`` after its end. From then on the job must
    have been seen to start soon after any time at which a slot was free for as long as its way there may take.
    """
    if _limited(promise):
        return False
    due = a.end_hi + ns(promise.report_s) + bounds[1]
    return any(slots.free_between(t, t + way) for t in range(due, b.start - way, STEP_NS))


def _waited_until(a: Run, b: Run, causes: "Causes", slots: Capacity, fresh: Fresh, way: int) -> int:
    """A time until which the job was not due; the end of its failed run, where nothing tells.

    A slot was free from then on for as long as the job's way to its body is; or a job that came only then was started
    before it, which a queue under load takes in turn.
    """
    if _limited(causes.promise):
        return a.end_lo
    known = max(
        a.end_lo, fresh.newest(b.start - way + promoted_within(causes.promise)) - promoted_within(causes.promise)
    )
    return next((t for t in range(b.start - way, known, -STEP_NS) if slots.free_between(t, t + way)), known)


def _finding(anomaly: str, job: Job, a: Run, b: Run, bounds: tuple[int, int], history: "History") -> Finding:
    return Finding(
        anomaly=anomaly,
        job=job.job,
        at_ns=b.start,
        says=(
            f"Job {job.job} was retried {s(b.start - a.end_lo):.3f} s after {told(a, history.begin)};"
            f" the policy's backoff is {s(bounds[0]):.3f} s to {s(bounds[1]):.3f} s."
        ),
        runs=(a.run, b.run),
        causes_rejected=_REJECTED[anomaly],
        clause="backoff",
    )
