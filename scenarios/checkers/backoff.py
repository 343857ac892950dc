"""Delays between attempts: shorter than the policy's, longer beside an idle slot, or (``spread``) without jitter."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from chaos.causes import Cause
from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.early import set_forward_ns
from scenarios.checkers.gather import Gathered, told
from scenarios.checkers.spread import ANOMALIES as SPREAD
from scenarios.checkers.spread import Spread
from scenarios.history_types import Job, Run, ns, s
from scenarios.retry_waits import CLOCK_SLACK_NS, RetryWaits, slewed

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
            "In calm time, with a slot of its queue idle since it was due, between two bodies, a failed job ran again "
            "later than its longest backoff, the report, the sweep and the promised time to take a job allow."
        ),
        smallest=('acked("j", 0, spec=fails(times=1))\nrun("j", 1, 1.1, "error")\nrun("j", 6, 6.1)'),
        means=("A short failure delays the job by far more than the policy says, though workers were idle."),
        under='promise(claim_s=0.5), policy(backoff=BackoffPolicy("fixed", 1.0, 1.0, "none"))',
    ),
    **SPREAD,
}
_REJECTED: Final = {
    "early retry": (
        "No other cause: no kill, cut, stop, store loss or request may have made it run again.",
        "No miscount: for no number of failures that the queue may have counted is the delay so short.",
        f"No clock: it was not set forward, and {CLOCK_SLACK_NS / 1e6:g} ms, and 0.1 %, are allowed for its rate.",
    ),
    "late retry": (
        "No other cause: no kill, cut, stop, store loss or request lies between the two runs.",
        "No backlog: a slot of its queue was idle after its longest backoff, and later took another.",
        "No disturbance: no fault, signal, pause or end of a process is near; the way to a body is added.",
    ),
}


def backoff(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: pairs of a failure and its repeat. One that has another cause too is explained, and says nothing."""
    causes = history.causes(promise, scenario.policy)
    tally = Gathered()
    spread = Spread(causes)
    repeated = (pl.col("n_failed") > 0) & ((pl.col("n_runs") > 1) | spread.wanted)
    queues = dict(history.jobs.select(pl.col("job", "queue").filter(repeated)).iter_rows())
    waits = RetryWaits(history, promise)
    for job in history.stories(queues):
        for index, (a, b) in enumerate(job.pairs, start=1):
            if not a.failed:
                continue
            tally.examined += 1
            if causes.repeat(a, b, job) != {Cause.FAILED} or not causes.failed_surely(a, job):
                tally.explained += 1
                spread.unknown(a, job, causes)
                continue
            bounds = _bounds(job, causes, index)
            if (short := bounds[0] - slewed(bounds[0]) - (b.start - _failed_lo(a, causes))) > 0:
                if short > set_forward_ns(history):
                    tally.findings.append(_finding("early retry", job, a, b, bounds, history))
                else:
                    tally.explained += 1
            elif waits.too_late(a, b, bounds[1], queues[job.job]):
                tally.findings.append(_finding("late retry", job, a, b, bounds, history))
            if spread.wants(bounds) and all(causes.failed_surely(run, job) for run in job.runs[:index]):
                spread.seen(a, b, bounds, index, waits.until(a, b, queues[job.job]))
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
