"""Whether a job, or the whole system, had come to rest when the harness read the jobs' states.

Keys are read one after another while jobs may move between them, so what a reading says counts only for
what can't have moved.
"""

from typing import TYPE_CHECKING

from scenarios.history_causes import Causes
from scenarios.history_cuts import covered_ns
from scenarios.history_faults import HOST
from scenarios.history_types import FOREVER, Job, Run, ns

if TYPE_CHECKING:
    from scenarios.scenario import Scenario


class Rest:
    """One history under one promise, at the reading of its states."""

    def __init__(self, causes: Causes, scenario: "Scenario") -> None:
        """``scenario`` gives backoff, slots and the quiet that counts as rest."""
        self.causes, self.scenario = causes, scenario
        self.history, self.promise = causes.history, causes.promise
        self.read_at = self.history.looked_at
        moves = max(ns(self.promise.start_gap_s), ns(self.promise.report_s))
        self.open_by_worker, self.open_jobs = self.history.open_when_read
        self.quiet_since = self._last_disturbance()
        self.quiet_ns = self._awake_since(self.quiet_since)
        self.nothing_moves = self.quiet_ns > moves and not (self.promise.prefetch > 1 and self.open_jobs)

    def _last_disturbance(self) -> int:
        """The last run event, heal, signal, restart or request: after any of these the queue has work of its own."""
        times = [self.history.last_run_event or self.history.begin]
        times += [span.healed for span in self.history.faults]
        times += [signal.t for signal in self.history.signals if signal.t < self.read_at]
        times += [step["t"] for step in self.history.op_rows if step["t"] < self.read_at]
        times += [life.born for lives in self.history.lives.values() for life in lives if life.born < self.read_at]
        return min(max(times), self.read_at)

    def _awake_since(self, t: int) -> int:
        """Time from ``t`` to the reading in which the machine let processes run: what was stalled is nobody's quiet."""
        return self.read_at - t - covered_ns(self.history.stalled, t, self.read_at)

    def due_hi(self, job: Job) -> int:
        """The latest moment at which the queue may rightly have begun to wait for a slot for this job."""
        enqueued = job.answered if job.answered < FOREVER else job.invoked
        due = enqueued + job.delay
        if job.runs:
            last = job.runs[-1]
            due = max(due, min(self._told_hi(last), FOREVER) + ns(self._backoff_s(len(job.runs))))
        return due

    def _backoff_s(self, attempt: int) -> float:
        return self.scenario.policy.backoff.bounds_s(attempt)[1]

    def _told_hi(self, run: Run) -> int:
        """The latest moment at which the queue heard of the run's end. One that died with its process is not reported.

        From then on it is the promised recovery that counts, however long its worker stays away.
        """
        return run.end_hi if run.outcome == "exit" else self.causes.report_hi(run)

    def settled(self, job: Job) -> bool:
        """Whether the job can't have been on its way from one key to another while keys were read."""
        if job.job in self.open_jobs or self.read_at == FOREVER:
            return False
        if job.runs and self._told_hi(job.runs[-1]) >= self.read_at:
            return False
        return self.nothing_moves and self._awake_since(self.due_hi(job)) > ns(self.promise.moves_s)

    def free_slot(self) -> bool:
        """Whether a worker was alive, awake, and ran fewer bodies than it may, all the quiet time long.

        Faults that cut it off were healed before: see ``_last_disturbance``.
        """
        since = self.quiet_since
        slots = min(self.scenario.workers.slots, self.promise.slots)
        brief = ns(self.promise.heartbeat_s)  # so short a stall ends no lease and begins nothing anew: it is no quiet
        stalls = [stall for stall in self.history.stalls if stall.hi > since and stall.hi - stall.lo > brief]
        for worker, lives in self.history.lives.items():
            alive = [
                life
                for life in lives
                if life.born <= since and min(life.exit_hi, life.told_to_stop) >= self.read_at  # who stops takes none
            ]
            awake = not any(stall.worker in {worker, HOST} and stall.lo < self.read_at for stall in stalls)
            awake = awake and not self.causes.frozen_at(worker, self.read_at)
            if alive and awake and self.open_by_worker.get(worker, 0) < slots:
                return True
        return False

    def stranded(self, job: Job) -> bool:
        """Whether it lay in a key, with a worker free, for longer than the promise allows it to."""
        allowed = max(ns(self.scenario.rest_s), ns(self.promise.recovery_s))
        due = self.due_hi(job)
        if hidden := self.causes.hidden(job):  # each may have cost an attempt, and a longer backoff begins after it
            attempts = min(len(job.runs) + hidden, self.scenario.policy.max_attempts)
            due = max(due, self.quiet_since + ns(max(self._backoff_s(k) for k in range(1, max(attempts, 1) + 1))))
        quiet = min(self.quiet_ns, self._awake_since(due))
        return job.job not in self.open_jobs and quiet > allowed and self.free_slot() and not self._paused()

    def _paused(self) -> bool:
        """Whether a queue was still held by an operator: jobs wait there rightly."""
        held: set[str] = set()
        for step in self.history.op_rows:
            if step["t"] >= self.read_at:
                break
            if step["op"] == "pause":
                held.add(step["queue"])
            elif step["op"] == "resume" and step["phase"] == "acked":
                held.discard(step["queue"])
        return bool(held)
