"""Delays between attempts: shorter than the policy's, longer with a worker free, or without its jitter."""

import math
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from chaos.causes import Cause
from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.history_causes import merged, overlap_ns
from scenarios.history_faults import PRODUCER
from scenarios.history_types import FOREVER, Job, Run, ns, s
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
    "no jitter": Anomaly(
        definition=(
            "The delays of at least 100 retries in calm time are not spread over the range that the policy's "
            "jitter draws from, however late each was seen (by chance in less than one of 10⁹ runs)."
        ),
        smallest=(
            '*(acked(f"j{n}", 10 * n, spec=fails(times=1)) for n in range(100))\n'
            '*(run(f"j{n}", 10 * n + 0.1, 10 * n + 0.2, "error") for n in range(100))\n'
            '*(run(f"j{n}", 10 * n + 4.2, 10 * n + 4.3) for n in range(100))'
        ),
        means="All that failed together comes back together: the retries are the next overload.",
        under='policy(backoff=BackoffPolicy("fixed", 4.0, 4.0, "full"))',
    ),
}
CLOCK_SLACK_NS: Final = (
    5_000_000  # the server's clock against the monotonic one over a delay of seconds: 500 ppm and rounding
)
STEP_NS: Final = ns(0.1)
JITTER_DISTANCE_MIN: Final = 0.33
JITTER_CHANCE_MAX: Final = 1e-9
JITTER_SAMPLES_MIN: Final = 100
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
    jittered: list[tuple[int, int, int, int]] = []
    retried = history.jobs_that((pl.col("n_failed") > 0) & (pl.col("n_runs") > 1))
    quiet = disturbed(history, ns(promise.recovery_s), stalls=False)
    stalled = _Stalled(history)
    slots = _Slots(history, min(scenario.workers.slots, promise.slots)) if len(retried) else None
    for job in history.stories(retried):
        for index, (a, b) in enumerate(job.pairs, start=1):
            if not a.failed:
                continue
            tally.examined += 1
            if causes.repeat(a, b, job) != {Cause.FAILED} or not causes.failed_surely(a, job):
                tally.explained += 1
                continue
            bounds = _bounds(job, causes, index)
            waited = b.start - a.end_lo
            in_calm = not any(lo <= b.start and hi >= a.start for lo, hi in quiet)
            stalled_ns = stalled.within(a.end_lo, b.start)
            if b.start - _failed_lo(a, causes) + CLOCK_SLACK_NS < bounds[0]:
                tally.findings.append(_finding("early retry", job, a, b, bounds, history))
            elif in_calm and slots and _too_late(a, b, bounds, promise, slots, stalled_ns):
                tally.findings.append(_finding("late retry", job, a, b, bounds, history))
            if in_calm and index == sum(causes.failed_surely(run, job) for run in job.runs[:index]):
                jittered.append((waited, stalled_ns, *bounds))
    lopsided = _without_jitter(jittered, ns(promise.start_gap_s) + _promote(promise), history, scenario)
    if lopsided:
        tally.findings.append(lopsided)
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


def _promote(promise: Promise) -> int:
    """At most from the due time until the job waits, in ns."""
    return ns(min(promise.promote_s, promise.sweep_s))


def _too_late(a: Run, b: Run, bounds: tuple[int, int], promise: Promise, slots: "_Slots", stalled_ns: int) -> bool:
    """A backlog delays lawfully, and so does a batch in hand or a limit: only a slot that was surely free accuses.

    The delay begins when the queue hears of the failure, up to ``report_s`` after its end. From then on the job must
    have been seen to start soon after any time at which a slot was free for as long as its way there may take.
    """
    if promise.prefetch > 1 or promise.concurrency is not None or promise.rate_n is not None:
        return False
    due = a.end_hi + ns(promise.report_s) + bounds[1]
    way = ns(promise.start_gap_s) + _promote(promise) + stalled_ns
    return any(slots.free_between(t, t + way) for t in range(due, b.start - way, STEP_NS))


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


class _Stalled:
    """How long the machine let no process run, or not those of some worker."""

    def __init__(self, history: "History") -> None:
        self.intervals = merged((stall.lo, stall.hi) for stall in history.stalls)
        self.ends = [hi for _, hi in self.intervals]

    def within(self, lo: int, hi: int) -> int:
        """In ns."""
        total = 0
        for each in self.intervals[bisect_left(self.ends, lo) :]:
            if each[0] > hi:
                break
            total += overlap_ns(each, (lo, hi))
        return total


class _Slots:
    """Whether a slot was surely free: fewer runs were open at the begin, or started later, than there are slots."""

    def __init__(self, history: "History", slots: int) -> None:
        self.starts, self.ends = history.starts_and_ends
        workers = (lives for worker, lives in history.lives.items() if worker != PRODUCER)
        self.lives = [life for lives in workers for life in lives]
        self.slots = slots

    def free_between(self, lo: int, hi: int) -> bool:
        alive = sum(self.slots for life in self.lives if life.born <= lo and min(life.exit_lo, FOREVER) >= hi)
        begun_by_hi = self.starts.search_sorted(hi, side="left")
        ended_by_lo = self.ends.search_sorted(lo, side="left")
        return int(begun_by_hi) - int(ended_by_lo) < alive


def _share(ratio: float) -> float:
    """The uniform distribution at ``ratio``: one delay that is far too long moves it no further than to the end."""
    return min(max(ratio, 0.0), 1.0)


def _without_jitter(
    samples: list[tuple[int, int, int, int]], noise: int, history: "History", scenario: "Scenario"
) -> Finding | None:
    """Distance of the delays' distribution from the uniform one that ``full`` and ``equal`` jitter promise.

    A delay is seen late by up to ``noise`` and what the machine stalled meanwhile, so its true share of the range lies
    in an interval, and the distance that counts is the least over all of them. Its chance under true jitter is bounded
    by Dvoretzky-Kiefer-Wolfowitz.
    """
    wide = [each for each in samples if each[3] >= ns(1.0) and each[3] > each[2]]
    n = len(wide)
    if n < JITTER_SAMPLES_MIN or history.faults or scenario.policy.backoff.jitter == "none":
        return None
    seen = sorted(_share((waited - low) / (high - low)) for waited, _, low, high in wide)
    earliest = sorted(_share((waited - noise - stall - low) / (high - low)) for waited, stall, low, high in wide)
    distance = max(
        max(rank / n - at_most, at_least - (rank - 1) / n)
        for rank, (at_least, at_most) in enumerate(zip(earliest, seen, strict=True), start=1)
    )
    chance = min(1.0, 2 * math.exp(-2 * n * distance * distance)) if distance > 0 else 1.0
    if distance < JITTER_DISTANCE_MIN or chance >= JITTER_CHANCE_MAX:
        return None
    return Finding(
        anomaly="no jitter",
        job=None,
        at_ns=history.begin,
        says=(
            f"The delays of {n} retries are not spread as {scenario.policy.backoff.jitter} jitter spreads them:"
            f" their distribution is {distance:.2f} away from it (chance below {chance:.0e})."
        ),
        causes_rejected=(
            f"Not chance: true jitter is so far from it in less than {chance:.0e} of such runs.",
            f"Not seen late: up to {s(noise):.3f} s of each delay may be sweep and start, and are reckoned with.",
            "No fault: none was injected in this history.",
        ),
        clause="backoff",
    )
