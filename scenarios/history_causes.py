"""Why may run b follow run a? The seven causes, each tried against everything that its unknown times may have been.

A cause holds as soon as it *may* hold: only a repeat that no cause explains for any value of what is not known exactly
accuses the queue.

    grant_lo(a)  start(a)            end(a)  report_hi(a)      start(b)
        |<-- G -->|<------ body ------>|<- report_s ->|            |
        |<--------- a kill in here: cause 2 ---------->|           |
        |<--------- one cut that covers L - H - m: cause 3 ------->|
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from stormproof_target import Policy, Promise
from stormproof_target.spec import FATAL

from chaos.causes import Cause
from scenarios.history_faults import HOST, PRODUCER, Life, freezes
from scenarios.history_holds import holds
from scenarios.history_types import FOREVER, Job, Run, ns

if TYPE_CHECKING:
    from scenarios.history import History

Interval = tuple[int, int]
STOLEN: Final = frozenset({"cut", "store_down"})  # effects that can swallow a reply
DEPLOY: Final = "deploy"  # the effect under which workers leave for those of another release
RENEWS_NOT: Final = STOLEN | {"slow", "freeze", "refused"}  # effects under which a lease may not be renewed


@dataclass(frozen=True, slots=True)
class Death:
    """A death that may have kept a run from being finished or reported, within ``[lo, hi]`` or from then on."""

    lo: int
    hi: int
    of: str


def merged(intervals: Iterable[Interval], gap: int = 0) -> list[Interval]:
    """Sorted and disjoint; intervals closer than ``gap`` are one."""
    result: list[Interval] = []
    for lo, hi in sorted(intervals):
        if result and lo - result[-1][1] <= gap:
            result[-1] = result[-1][0], max(result[-1][1], hi)
        else:
            result.append((lo, hi))
    return result


def overlap_ns(a: Interval, b: Interval) -> int:
    """How much of ``a`` lies in ``b``."""
    return max(0, min(a[1], b[1]) - max(a[0], b[0]))


class Causes:
    """One history under one promise."""

    def __init__(self, history: "History", promise: Promise, policy: Policy) -> None:
        """``promise`` gives lease, heartbeat, margin and the gaps around a body; ``policy`` the timeout of a body."""
        self.history, self.promise, self.policy = history, promise, policy
        self._lease_ends_after = ns(promise.lease_s) - ns(promise.heartbeat_s) - ns(promise.margin_s)
        self._holds = holds(history.faults, merged((stall.lo, stall.hi) for stall in history.stalls), promise)
        self._reconnect = ns(promise.reconnect_s)
        self._cuts: dict[tuple[str, int], list[Interval]] = {}
        self._breaking: dict[tuple[str, int], list[Interval]] = {}
        self._torn: dict[tuple[str, int], frozenset[Interval]] = {}
        self._delays: dict[str, list[Interval]] = {}
        self._all: tuple[list[Interval], list[Interval], list[Interval]] | None = None
        self._frozen = freezes(history.signals)
        self._kills: dict[tuple[str, int], list[int]] = defaultdict(list)
        for signal in history.signals:
            if signal.name == "KILL":
                self._kills[signal.worker, signal.pid].append(signal.t)
        self._stops: dict[str, list[int]] = defaultdict(list)
        for signal in history.signals:
            if signal.name == "TERM":
                self._stops[signal.worker].append(signal.t)
        self._requeues: dict[str, list[int]] = defaultdict(list)
        for event in history.op_rows:
            if event["op"] == "requeue":
                self._requeues[event["job"]].append(event["t"])

    # ---- cuts: intervals in which a worker could not renew

    def cuts(self, worker: str, life: int = 0) -> list[Interval]:
        """Disjoint, in order; each with the time that the worker needs after it. ``life`` adds its supervisor's end."""
        key = worker, life
        if key not in self._cuts:
            broken = self._broken(worker, life)
            self._cuts[key] = merged([*broken, *self._slow(worker)], ns(self.promise.heartbeat_s))
            torn = frozenset(cut for cut in self._cuts[key] if any(lo <= cut[1] and hi >= cut[0] for lo, hi in broken))
            long = [cut for cut in self._cuts[key] if self._stalled(worker, cut) >= self._lease_ends_after]
            self._torn[key], self._breaking[key] = torn, sorted({*torn, *long})
        return self._cuts[key]

    def _broken(self, worker: str, life: int) -> list[Interval]:
        """Faults, freezes, and the end of its supervisor."""
        found = [(lo, hi + self._reconnect) for lo, hi in self._frozen.get(worker, []) if self._is_long(lo, hi)]
        found += [
            (span.inject, span.healed + self._reconnect)
            for span in self.history.faults
            if span.effect in RENEWS_NOT and span.hits(worker)
        ]
        mine = self.life(worker, life)
        if mine and (mine.killed < FOREVER or mine.exit_hi < FOREVER):
            # Nobody renews for a slot that outlives its supervisor.
            found.append((min(max(mine.exit_lo, mine.born), mine.killed), FOREVER))
        return found

    def _slow(self, worker: str) -> list[Interval]:
        """Stalls, and the harness's own stops of milliseconds while it looks for a victim: no connection breaks."""
        if worker not in self._delays:
            found = [(lo, hi) for lo, hi in self._frozen.get(worker, []) if not self._is_long(lo, hi)]
            found += [(stall.lo, stall.hi) for stall in self.history.stalls if stall.worker in {worker, HOST}]
            self._delays[worker] = merged(found)
        return self._delays[worker]

    def _stalled(self, worker: str, within: Interval) -> int:
        """How long it stood still in an interval, in ns."""
        return sum(overlap_ns(within, each) for each in self._slow(worker))

    def _is_long(self, lo: int, hi: int) -> bool:
        return hi - lo > max(ns(self.promise.heartbeat_s), ns(0.1))

    def breaks_in(self, run: Run, lo: int, hi: int) -> bool:
        """Whether a cut that touches ``[lo, hi]`` may have done more to its worker than delay it.

        A fault may; a stall only delays what a worker says, and only stalls that last as long as it takes to end a
        lease, all of one cut together, keep the queue from heeding it.
        """
        key = run.worker, self._life_of(run)
        self.cuts(*key)
        return any(a <= hi and b >= lo for a, b in self._breaking[key])

    def frozen_at(self, worker: str, t: int) -> bool:
        """Whether it was stopped at ``t``."""
        return any(lo <= t <= hi for lo, hi in self._frozen.get(worker, []))

    def life(self, worker: str, number: int) -> Life | None:
        """The worker's ``number``-th spawn (from 1), where it is known."""
        mine = self.history.lives.get(worker, ())
        return mine[number - 1] if 0 < number <= len(mine) else None

    def cut_in(self, run: Run, lo: int, hi: int) -> bool:
        """Whether a cut of the run's worker touches ``[lo, hi]``."""
        return any(True for _ in self._touching(run, lo, hi))

    def _touching(self, run: Run, lo: int, hi: int) -> Iterator[Interval]:
        """The cuts of the run's worker that touch ``[lo, hi]``, in order. A day has hundreds, so they are bisected."""
        cuts = self.cuts(run.worker, run.life)
        for index in range(bisect_left(cuts, lo, key=itemgetter(1)), len(cuts)):
            if cuts[index][0] > hi:
                return
            yield cuts[index]

    # ---- the window of a run

    def grant_lo(self, run: Run) -> int:
        """The earliest moment at which the queue may have given the lease: not before it knew of the job."""
        lo = run.start - ns(self.promise.start_gap_s) - self._ahead(run)
        cuts = self.cuts(run.worker, run.life)
        for index in range(bisect_left(cuts, run.start, key=itemgetter(0)) - 1, -1, -1):  # back from those before it
            a, b = cuts[index]
            if b <= lo:  # and so is the end of all before
                break
            lo -= min(b, run.start) - a
        return min(max(lo, run.enqueued), run.start)

    def _ahead(self, run: Run) -> int:
        """How long its worker may have had this run's job in hand, fetched with those that it ran before."""
        if self.promise.prefetch <= 1:
            return 0
        return self.history.ahead(*self.in_hand).get(run.run, 0)

    @property
    def in_hand(self) -> tuple[int, int]:
        """Jobs that a worker holds at most, and how long one waits for its start when a slot is free (ns)."""
        return self.promise.prefetch * self.promise.slots, ns(self.promise.start_gap_s)

    def report_hi(self, run: Run) -> int:
        """The latest moment at which the queue may have heard of its end."""
        hi = run.end_hi + ns(self.promise.report_s)
        cuts = self.cuts(run.worker, self._life_of(run))
        for index in range(bisect_right(cuts, run.end_lo, key=itemgetter(1)), len(cuts)):
            a, b = cuts[index]
            if a > hi:
                break
            hi += b - max(a, run.end_lo)
        return min(hi, FOREVER)

    def _life_of(self, run: Run) -> int:
        """Its worker's life, or 0 where its end can have kept nobody from hearing of the run's.

        A worker that was told to stop, and ended well, has waited for what ended within the grace.
        """
        life = self.life(run.worker, run.life)
        if life is None or not run.closed or life.killed < FOREVER or life.status != 0:
            return run.life
        in_time = run.end_hi + ns(self.promise.report_s) <= self.grace_ends(life)
        return 0 if life.told_to_stop <= life.exit_lo and in_time else run.life

    def deaths(self, run: Run) -> list[Death]:
        """Of its process or of its supervisor; a process that ends after its body did counts only if it was killed."""
        found = []
        if run.outcome == "exit":
            found.append(Death(run.end_lo, run.end_hi, f"pid {run.pid}"))
        found += [
            Death(t, FOREVER, f"pid {run.pid}") for t in self._kills.get((run.worker, run.pid), ()) if t >= run.start
        ]
        life = self.life(run.worker, run.life)
        if life and life.killed < FOREVER:
            # Whatever a slot is given later is taken back as well.
            found.append(Death(life.killed, FOREVER, f"supervisor pid {life.pid}"))
        elif life and life.exit_hi < FOREVER and (life.told_to_stop == FOREVER or self._in_trouble(life)):
            # By itself, in an outage, or with a job that takes its worker along: what it had not reported is lost.
            found.append(Death(max(life.exit_lo, life.born), FOREVER, f"supervisor pid {life.pid}"))
        return found

    def stopped(self, run: Run, until: int) -> bool:
        """Whether its worker had been told to stop by ``until``, so that run or report may have been broken off.

        What surely ended, and was surely reported, before the stop's grace was over was not.
        """
        life = self.life(run.worker, run.life)
        if life is None or life.told_to_stop > until:
            return False
        heard = self.report_hi(run)
        if not run.closed or heard > self.grace_ends(life):
            return True
        broken = self.breaks_in(run, self.grant_lo(run), heard)
        return broken or any(death.lo <= heard for death in self.deaths(run))

    def grace_ends(self, life: Life) -> int:
        """The earliest moment at which a worker that was told to stop may break its runs off (``FOREVER``: never told).

        A new release may have had it stop before we did; told a second time, it waits no longer.
        """
        told = life.told_to_stop
        deploys = (span.inject for span in self.history.faults if span.effect == DEPLOY and span.healed >= told)
        since = min([told, *(t for t in deploys if t <= told)])
        again = (t for t in self._stops[life.worker] if t > told)
        return min(since + ns(self.promise.stop_grace_s), min(again, default=FOREVER), FOREVER)

    def _in_trouble(self, life: Life) -> bool:
        """Whether it ended by itself in a cut: many workers give up in an outage, and may."""
        return any(a <= life.exit_hi and b >= life.exit_lo for a, b in self.cuts(life.worker))

    # ---- causes

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
        """Whether one cut of a's worker, within [grant(a), start(b)], was long enough to end its lease."""
        window = self.grant_lo(a), min(self.report_hi(a), b.start)  # whose end was heard holds no lease
        for outage, over in self._holds:
            if outage <= b.start < over:  # between the two no lease ended
                window = window[0], min(window[1], outage)
        if self._lease_ends_after <= 0:  # any cut at all may have ended it
            return bool(self.cuts(a.worker, a.life))
        return any(self._blocked(a, cut, window) >= self._lease_ends_after for cut in self._touching(a, *window))

    def _blocked(self, run: Run, cut: Interval, window: Interval) -> int:
        """How long the cut kept the run's worker from renewing, in ns: all of it, or what stalls add up to."""
        if cut in self._torn[run.worker, run.life]:
            return overlap_ns(cut, window)
        return self._stalled(run.worker, (max(cut[0], window[0]), min(cut[1], window[1])))

    def surely_leased_until(self, run: Run) -> int:
        """Until when no cut of its worker can have ended its lease (its body may end before)."""
        granted = self.grant_lo(run)
        for lo, hi in self.cuts(run.worker, run.life):  # in order: the first that is long enough is the earliest
            since = max(lo, granted)
            if hi - since >= self._lease_ends_after:
                return since + self._lease_ends_after
        return FOREVER

    def _reply_lost(self, a: Run, b: Run, job: Job) -> bool:
        window = self.grant_lo(a), min(self.report_hi(a), b.start)
        for span in self.history.faults:
            if span.effect not in STOLEN:
                continue
            lasted = span.inject, span.healed + self._reconnect
            if span.hits(a.worker) and lasted[0] <= window[1] and lasted[1] >= window[0]:
                return True
        return self._enqueued_twice(job)

    def _enqueued_twice(self, job: Job) -> bool:
        """Whether its client may have sent it again, since the reply to its enqueue may have been lost."""
        return self.promise.lost_reply_repeats and any(
            span.hits(PRODUCER) and span.inject <= job.answered and span.healed + self._reconnect >= job.invoked
            for span in self.history.faults
            if span.effect in STOLEN
        )

    def requeued(self, job: Job) -> bool:
        """Whether an operator ever asked for it."""
        return job.job in self._requeues

    def begun_anew(self, job: Job) -> bool:
        """Whether its counts may rightly have begun again: at an operator's request, or in a second enqueue."""
        return self.requeued(job) or self._enqueued_twice(job)

    # ---- what the queue has surely heard

    def reported_surely(self, run: Run, job: Job) -> bool:
        """Whether nothing kept the queue from hearing of this end, and no later run had taken the job over."""
        if not run.closed or self.breaks_in(run, self.grant_lo(run), run.end_hi + ns(self.promise.report_s)):
            return False
        if self.history.canary.losses:
            return False
        if any(d.lo <= run.end_hi + ns(self.promise.report_s) and d.hi >= run.start for d in self.deaths(run)):
            return False
        if self.stopped(run, run.end_hi + ns(self.promise.report_s)):
            return False
        return not any(other is not run and other.start < run.end_hi and other.end_hi > run.start for other in job.runs)

    def failed_surely(self, run: Run, job: Job) -> bool:
        """A failure that the queue must have counted as an attempt."""
        return run.failed and self.reported_surely(run, job)

    def crashed_surely(self, run: Run, job: Job) -> bool:
        """Its spec ended its process, nothing else can have, and its supervisor lived to see it."""
        if run.outcome != "exit" or job.spec.kind not in FATAL or self.history.canary.losses:
            return False
        life, until = self.life(run.worker, run.life), run.end_hi + ns(self.promise.report_s)
        if life and min(life.killed, life.exit_hi, life.told_to_stop) <= until:
            return False
        by_us = any(t <= run.end_hi for t in self._kills.get((run.worker, run.pid), ()))
        return not by_us and not self.breaks_in(run, self.grant_lo(run), until)

    def stalled_surely(self, run: Run, job: Job) -> bool:
        """Its spec took its whole worker with it: all that the queue sees of that is a lease that ends."""
        if run.outcome != "exit" or job.spec.kind != "kill_worker" or self.history.canary.losses:
            return False
        if any(t <= run.end_hi for t in self._kills.get((run.worker, run.pid), ())):
            return False  # we were first: its supervisor lived on, and saw it die
        life = self.life(run.worker, run.life)
        together = life is not None and life.exit_lo <= run.end_hi and life.exit_hi < FOREVER
        return bool(life and together and min(life.killed, life.told_to_stop) > life.exit_hi)

    def attempts_surely(self, job: Job) -> int:
        """Attempts that the queue must have counted."""
        costs = self.promise.kill_costs_an_attempt
        return sum(self.failed_surely(run, job) or (costs and self.crashed_surely(run, job)) for run in job.runs)

    def failures_most(self, job: Job) -> int:
        """As many failures as a queue may have counted, whatever it counts: seen, unreported, hidden."""
        seen = sum(1 for run in job.runs if run.outcome != "ok" or not self.reported_surely(run, job))
        return seen + self.hidden(job)

    def crashes_most(self, job: Job) -> int:
        """As many deaths of its slot as a queue may have counted."""
        return sum(1 for run in job.runs if self.deaths(run)) + self.hidden(job)

    def stalls_most(self, job: Job) -> int:
        """As many ended leases as a queue may have counted."""
        return sum(
            1
            for run in job.runs
            if self.deaths(run) or run.outcome == "open" or self.breaks_in(run, self.grant_lo(run), self.report_hi(run))
        ) + self.hidden(job)

    def hidden(self, job: Job, until: int = FOREVER) -> int:
        """Grants of this job that may have ended before their body wrote a line: by a kill, or a cut took the reply.

        Until ``until``, and the reading of its state.
        """
        until = min(until, job.state_at or FOREVER, self.history.end)
        lives = [life for mine in self.history.lives.values() for life in mine]
        kills = [t for times in self._kills.values() for t in times]
        # A supervisor that ends by itself takes what it holds with it, seen by nobody.
        kills += [life.exit_hi for life in lives if life.killed == FOREVER and life.exit_hi < FOREVER]
        count = sum(1 for t in kills if job.invoked <= t <= until)
        period = max(self._lease_ends_after, 1)
        brief = max(min(period, ns(self.policy.timeout_s)), 1)
        torn, slow, stalls = self._unheard
        # One grant follows another only when the lease of the one before has ended.
        parts = [(max(lo, job.invoked), min(hi, until)) for lo, hi in torn]
        count += sum(1 + (hi - lo) // period for lo, hi in parts if lo < hi)
        # A stall delays: a lease may end, or a body that it keeps from its first line run into its timeout.
        parts = [(max(lo, job.invoked), min(hi, until)) for lo, hi in slow]
        stalled = (sum(overlap_ns(part, each) for each in stalls) for part in parts if part[0] < part[1])
        return count + sum(each // brief for each in stalled)

    @property
    def _unheard(self) -> tuple[list[Interval], list[Interval], list[Interval]]:
        """Of all workers: cuts that may swallow a reply, those that only delay, and all that stalled; each disjoint."""
        if self._all is None:
            cuts = {worker: self.cuts(worker) for worker in self.history.lives}
            torn = merged(cut for worker in cuts for cut in self._torn[worker, 0])
            slow = merged(cut for worker, mine in cuts.items() for cut in mine if cut not in self._torn[worker, 0])
            self._all = torn, slow, merged(each for worker in cuts for each in self._slow(worker))
        return self._all
