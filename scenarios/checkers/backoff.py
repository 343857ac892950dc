"""Delays between attempts: shorter than the policy's, longer with a worker free, or without its jitter."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from chaos.causes import Cause
from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.checkers.jitter import (
    CHANCE_MAX,
    DELAYS_MAX,
    DELAYS_MIN,
    DISTANCE_MIN,
    Share,
    chance_of_clusters,
    distance_from_even,
)
from scenarios.clocks import anchors, steps
from scenarios.free_slots import Fresh, Slots, Stalled
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
    "no jitter": Anomaly(
        definition=(
            "The delays of at least 100 retries are not spread over the range that the policy's jitter draws from,"
            " or those of fewer lie closer to each other than independent draws do, however late each was seen"
            " (by chance in less than one of 10⁹ runs, for each of the two)."
        ),
        smallest=(
            '*(acked(f"j{n}", 10 * n, spec=fails(times=1)) for n in range(100))\n'
            '*(run(f"j{n}", 10 * n + 0.1, 10 * n + 0.2, "error") for n in range(100))\n'
            '*(run(f"j{n}", 10 * n + 4.2, 10 * n + 4.3) for n in range(100))'
        ),
        means="All that failed together comes back together: the retries are the next overload.",
        under='policy(backoff=BackoffPolicy("fixed", 4.0, 4.0, "full"))',
    ),
    "one draw a process": Anomaly(
        definition=(
            "The delays of the retries of each process, as parts of the ranges that the policy's jitter draws from, lie"
            " closer to each other than independent draws do, however late each was seen (all processes reckoned"
            " together, by chance in less than one of 10⁹ runs)."
        ),
        smallest=(
            '*(acked(f"j{n}", 10 * n, spec=fails(times=1)) for n in range(30))\n'
            '*(run(f"j{n}", 10 * n + 0.1, 10 * n + 0.2, "error", on=f"w{1 + n % 2}") for n in range(30))\n'
            '*(run(f"j{n}", 10 * n + 1 + 2.4 * (n % 2), 10 * n + 3.6, on=f"w{1 + n % 2}") for n in range(30))'
        ),
        means="What failed together in one process comes back together, as without jitter.",
        under='policy(backoff=BackoffPolicy("fixed", 4.0, 4.0, "full"))',
    ),
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
    spread = _Spread(causes)
    failed = history.jobs_that((pl.col("n_failed") > 0) & ((pl.col("n_runs") > 1) | spread.wanted))
    quiet = disturbed(history, ns(promise.recovery_s), stalls=False)
    stalled, fresh = Stalled(history), Fresh(history)
    slots = Slots(history, min(scenario.workers.slots, promise.slots)) if len(failed) else None
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
            way = ns(promise.start_gap_s) + _promote(promise) + stalled.within(a.end_lo, b.start)
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


def _promote(promise: Promise) -> int:
    """At most from the due time until the job waits, in ns."""
    return ns(min(promise.promote_s, promise.sweep_s))


def _limited(promise: Promise) -> bool:
    """Whether a free slot proves nothing: a backlog delays lawfully, and so does a batch in hand or a limit."""
    return promise.prefetch > 1 or promise.concurrency is not None or promise.rate_n is not None


def _too_late(a: Run, b: Run, bounds: tuple[int, int], promise: Promise, slots: Slots, way: int) -> bool:
    """Only a slot that was surely free accuses.

    The delay begins when the queue hears of the failure, up to ``report_s`` after its end. From then on the job must
    have been seen to start soon after any time at which a slot was free for as long as its way there may take.
    """
    if _limited(promise):
        return False
    due = a.end_hi + ns(promise.report_s) + bounds[1]
    return any(slots.free_between(t, t + way) for t in range(due, b.start - way, STEP_NS))


def _waited_until(a: Run, b: Run, causes: "Causes", slots: Slots, fresh: Fresh, way: int) -> int:
    """A time until which the job was not due; the end of its failed run, where nothing tells.

    A slot was free from then on for as long as the job's way to its body is; or a job that came only then was started
    before it, which a queue under load takes in turn.
    """
    if _limited(causes.promise):
        return a.end_lo
    known = max(a.end_lo, fresh.newest(b.start - way + _promote(causes.promise)) - _promote(causes.promise))
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


class _Spread:
    """The delays of a history without faults, whose server's clock was not set, as shares of their ranges."""

    def __init__(self, causes: "Causes") -> None:
        self.history, self.promise, self.backoff = causes.history, causes.promise, causes.policy.backoff
        undisturbed = not self.history.faults and not steps(anchors(self.history.few["anchor"]))
        self.wanted = self.backoff.jitter != "none" and undisturbed
        self._shares: list[Share] = []

    def wants(self, bounds: tuple[int, int]) -> bool:
        """Whether a delay from such a range would say anything, and not enough of them are known."""
        return self.wanted and bounds[1] >= ns(1.0) and bounds[1] > bounds[0] and len(self._shares) < DELAYS_MAX

    def seen(self, a: Run, b: Run, bounds: tuple[int, int], index: int, until: int | None) -> None:
        """Of a retry that was surely not due until ``until`` (None: not known), the ``index``-th of its job."""
        low, high = bounds
        drawn_from = tuple(map(ns, self.backoff.bounds_s(index)))
        if until is None or bounds != drawn_from or a.outcome != "error":  # a timeout may be counted before its end
            self._shares.append(Share(a.writer))
            return
        waited = until - a.end_hi - low, b.start - a.end_lo - low
        least, most, late = (each / (high - low) for each in (*waited, ns(self.promise.report_s)))
        overdue = least - late > 1  # for no reason of its own: how long it waited says nothing of its delay
        self._shares.append(Share(a.writer) if overdue else Share(a.writer, least, most, late))

    def unknown(self, a: Run, job: Job, causes: "Causes") -> None:
        """Of a failure whose delay says nothing. One that may not have counted is left out: it tells of no draw."""
        if self.wanted and len(self._shares) < DELAYS_MAX and causes.failed_surely(a, job):
            self._shares.append(Share(a.writer))

    def findings(self) -> Iterator[Finding]:
        """At most one: where all lie together, those of each process do as well."""
        n, jitter = len(self._shares), self.backoff.jitter
        distance, chance = distance_from_even(self._shares) if n >= DELAYS_MIN else (0.0, 1.0)
        chance = min(chance if distance >= DISTANCE_MIN else 1.0, chance_of_clusters(self._shares, together=True))
        if chance < CHANCE_MAX:
            yield self._finding(
                "no jitter",
                f"The delays of {n} retries are not spread as {jitter} jitter spreads them (chance below {chance:.0e})",
                chance,
            )
        elif (chance := chance_of_clusters(self._shares)) < CHANCE_MAX:
            processes = len({each.process for each in self._shares})
            yield self._finding(
                "one draw a process",
                f"The delays of {n} retries in {processes} processes lie closer to each other in each of them than"
                f" {jitter} jitter draws them (chance below {chance:.0e}).",
                chance,
            )

    def _finding(self, anomaly: str, says: str, chance: float) -> Finding:
        late = ns(self.promise.start_gap_s) + _promote(self.promise)
        return Finding(
            anomaly=anomaly,
            job=None,
            at_ns=self.history.begin,
            says=says,
            causes_rejected=(
                f"Not chance: true jitter is so far from it in less than {chance:.0e} of such runs.",
                f"Not seen late: {s(late):.3f} s of each delay may be sweep and start, more where no slot was free.",
                "No fault: none was injected in this history.",
            ),
            clause="backoff",
        )
