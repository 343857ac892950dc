"""Why may run b follow run a? The seven causes, each tried against everything that its unknown times may have been.

A cause holds as soon as it *may* hold: only a repeat that no cause explains for any value of what is not known exactly
accuses the queue.

    grant_lo(a)  start(a)            end(a)  report_hi(a)      start(b)
        |<-- G -->|<------ body ------>|<- report_s ->|            |
        |<--------- a kill in here: cause 2 ---------->|           |
        |<--- one cut that covers L - H - m: cause 3 --->|
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stormproof_target import Policy, Promise

from chaos.causes import Cause
from scenarios.history_cuts import STOLEN, Interval, overlap_ns
from scenarios.history_faults import PRODUCER
from scenarios.history_heard import Heard
from scenarios.history_holds import holds
from scenarios.history_types import FOREVER, Job, Run, ns

if TYPE_CHECKING:
    from scenarios.history import History


@dataclass(frozen=True, slots=True)
class Unrenewed:
    """The longest time in which a run's worker could not renew its lease, while that mattered.

    ``window`` is where it mattered; ``cut`` (None: it could always) kept it from renewing for ``lasted`` ns therein.
    ``held``: the hold at whose begin the window ends, and the end of that hold.
    """

    window: Interval
    cut: Interval | None
    lasted: int
    held: Interval | None


class Causes(Heard):
    """One history under one promise."""

    def __init__(self, history: "History", promise: Promise, policy: Policy) -> None:
        """``promise`` gives lease, heartbeat, margin and the gaps around a body; ``policy`` the timeout of a body."""
        super().__init__(history, promise, policy)
        self._holds = holds(history, promise, policy)
        self._requeues: dict[str, list[int]] = defaultdict(list)
        for event in history.op_rows:
            if event["op"] == "requeue":
                self._requeues[event["job"]].append(event["t"])

    def of(self, a: Run, b: Run, job: Job, attempts_max: int | None = None) -> frozenset[Cause]:
        """Every cause that may have made b follow a; with ``attempts_max`` failures count while attempts were left."""
        window = self.grant_lo(a), b.start
        found = set()
        if self._failed_first(a, b, job, attempts_max):
            found.add(Cause.FAILED)
        if self.promise.delivery == "at_least_once":
            if any(d.hi >= window[0] and d.lo <= min(self.report_hi(a), b.start) for d in self.deaths(a)):
                found.add(Cause.KILLED)
            if self.lease_may_have_ended(a, b):
                found.add(Cause.LEASE_ENDED)
            if self.promise.stop_is_a_cause and self.stopped(a, min(self.report_hi(a), b.start)):
                found.add(Cause.STOPPED)
        # A store that forgets that a job was taken, or a client that enqueues it again, repeats it whoever takes it.
        if any(loss.safe <= b.start and loss.until >= job.invoked for loss in self.history.canary.losses):
            found.add(Cause.STORE_LOSS)
        if self.promise.lost_reply_repeats and self._reply_lost(a, b, job):
            found.add(Cause.LOST_REPLY)
        if any(t <= b.start for t in self._requeues.get(job.job, ())):
            found.add(Cause.REQUEUED)
        return frozenset(found)

    def repeat(self, a: Run, b: Run, job: Job, attempts_max: int | None = None) -> frozenset[Cause]:
        """As ``of``; without fences the order of grants is not known, so either order may explain the pair."""
        return self.of(a, b, job, attempts_max) or self._turned(a, b, job, attempts_max)

    def other_than_failure(self, a: Run, b: Run, job: Job) -> bool:
        """Whether the pair may be no retry. Without fences a grant of long ago may start last, behind the retries."""
        return bool((self.of(a, b, job) | self._turned(a, b, job)) - {Cause.FAILED})

    def taken_over(self, a: Run, b: Run, job: Job) -> bool:
        """Whether b's grant may have come while a still ran, so that a's worker may have ended a for it.

        Where b started later, something else than a's end must have given it away: an end can't be its own excuse.
        """
        if self.grant_lo(b) > a.end_hi:
            return False
        return b.start <= a.end_hi or bool(self.of(a, b, job) - {Cause.KILLED} or self._turned(a, b, job))

    def _turned(self, a: Run, b: Run, job: Job, attempts_max: int | None = None) -> frozenset[Cause]:
        """What may have made a follow b, where no fences tell the order of their grants."""
        return frozenset() if a.fence and b.fence else self.of(b, a, job, attempts_max)

    def _failed_first(self, a: Run, b: Run, job: Job, attempts_max: int | None) -> bool:
        if a.end_lo > b.start or not (a.failed or self.may_be_timed_out(a)):
            return False
        if attempts_max is None:
            return True
        earlier = job.runs[: job.runs.index(a) + 1]
        return sum(self.failed_surely(run, job) for run in earlier) < attempts_max

    def may_be_timed_out(self, run: Run) -> bool:
        """Whether its process may have been killed because its time was up: it died long enough after its grant."""
        return run.outcome == "exit" and run.end_hi - self.grant_lo(run) >= ns(self.policy.timeout_s)

    def lease_may_have_ended(self, a: Run, b: Run) -> bool:
        """Whether a cut of a's worker was long enough to end a's lease before b started, or the clock was set."""
        longest = self.unrenewed(a, b)
        cut_off = longest.cut is not None and longest.lasted >= self.lease_ends_after
        return cut_off or self.clock_set(a, b) is not None

    def clock_set(self, a: Run, b: Run) -> Interval | None:
        """When the server's clock was set forward while a had its lease, before b started: that may end it at once."""
        lo, hi = self.grant_lo(a), min(self.report_hi(a), b.start)
        return next((step for step in self.clock_forward if step[0] <= hi and step[1] >= lo), None)

    def unrenewed(self, a: Run, b: Run) -> Unrenewed:
        """Of a, from its grant until the report of its end, b's start, or an outage after which b's start was held."""
        lo, hi, held = self.grant_lo(a), min(self.report_hi(a), b.start), None  # whose end was heard holds no lease
        for outage, over in self._holds:
            if outage <= b.start < over and outage < hi:  # between the two no lease ended
                hi, held = outage, (outage, over)
        window = lo, max(lo, hi)
        # Where a lease ends at once, any cut at all may have ended it.
        cuts = self._touching(a, *window) if self.lease_ends_after > 0 else self.cuts(a.worker, a.life)
        blocked = {cut: self._blocked(a, cut, window) for cut in cuts}
        longest = max(blocked, key=blocked.__getitem__, default=None)
        return Unrenewed(window, longest, blocked[longest] if longest else 0, held)

    def _blocked(self, run: Run, cut: Interval, window: Interval) -> int:
        """How long the cut kept the run's worker from renewing, in ns: all of it, or what stalls add up to."""
        if cut in self._torn[run.worker, run.life]:
            return overlap_ns(cut, window)
        return self._stalled(run.worker, (max(cut[0], window[0]), min(cut[1], window[1])))

    def surely_leased_until(self, run: Run) -> int:
        """Until when no cut of its worker, and no setting of the clock, can have ended its lease.

        Its body may end before.
        """
        granted = self.grant_lo(run)
        clock = next((max(lo, granted) for lo, hi in self.clock_forward if hi >= granted), FOREVER)
        for lo, hi in self.cuts(run.worker, run.life):  # in order: the first that is long enough is the earliest
            since = max(lo, granted)
            if hi - since >= self.lease_ends_after:
                return min(since + self.lease_ends_after, clock)
        return clock

    def _reply_lost(self, a: Run, b: Run, job: Job) -> bool:
        window = self.grant_lo(a), min(self.report_hi(a), b.start)
        for span in self.history.faults:
            if span.effect not in STOLEN:
                continue
            lasted = span.inject, span.healed + self.reconnect_ns
            if span.hits(a.worker) and lasted[0] <= window[1] and lasted[1] >= window[0]:
                return True
        return self._enqueued_twice(job)

    def _enqueued_twice(self, job: Job) -> bool:
        """Whether its client may have sent it again, since the reply to its enqueue may have been lost."""
        return self.promise.lost_reply_repeats and any(
            span.hits(PRODUCER) and span.inject <= job.answered and span.healed + self.reconnect_ns >= job.invoked
            for span in self.history.faults
            if span.effect in STOLEN
        )

    def requeued(self, job: Job) -> bool:
        """Whether an operator ever asked for it."""
        return job.job in self._requeues

    def begun_anew(self, job: Job) -> bool:
        """Whether its counts may rightly have begun again: at an operator's request, or in a second enqueue."""
        return self.requeued(job) or self._enqueued_twice(job)
