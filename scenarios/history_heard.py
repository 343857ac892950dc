"""What the queue surely heard of a job's runs, which may accuse, and all that it may have counted, which excuses."""

from functools import cached_property
from typing import TYPE_CHECKING

from stormproof_target import Policy, Promise
from stormproof_target.spec import FATAL

from scenarios.history_cuts import Interval, covered_ns, merged
from scenarios.history_types import FOREVER, Job, Run, ns
from scenarios.history_windows import Windows

if TYPE_CHECKING:
    from scenarios.history import History


class Heard(Windows):
    """Of the jobs of one history under one promise."""

    def __init__(self, history: "History", promise: Promise, policy: Policy) -> None:
        """``policy`` gives the timeout of a body."""
        super().__init__(history, promise)
        self.policy = policy

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
        count += sum(1 for lo, hi in self.clock_forward if lo <= until and hi >= job.invoked)
        period = max(self.lease_ends_after, 1)
        brief = max(min(period, ns(self.policy.timeout_s)), 1)
        torn, slow, stalls = self._unheard
        # One grant follows another only when the lease of the one before has ended.
        parts = [(max(lo, job.invoked), min(hi, until)) for lo, hi in torn]
        count += sum(1 + (hi - lo) // period for lo, hi in parts if lo < hi)
        # A stall delays: a lease may end, or a body that it keeps from its first line run into its timeout.
        parts = [(max(lo, job.invoked), min(hi, until)) for lo, hi in slow]
        stalled = (covered_ns(stalls, *part) for part in parts if part[0] < part[1])
        return count + sum(each // brief for each in stalled)

    @cached_property
    def _unheard(self) -> tuple[list[Interval], list[Interval], list[Interval]]:
        """Of all workers: cuts that may swallow a reply, those that only delay, and all that stalled; each disjoint."""
        cuts = {worker: self.cuts(worker) for worker in self.history.lives}
        torn = merged(cut for worker in cuts for cut in self._torn[worker, 0])
        slow = merged(cut for worker, mine in cuts.items() for cut in mine if cut not in self._torn[worker, 0])
        return torn, slow, merged(each for worker in cuts for each in self._slow(worker))
