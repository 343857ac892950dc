"""What a queue's store holds of each job, and the changes of it that several steps share.

``broken`` names the one rule that this queue does not keep ('' : it keeps all).
"""

from dataclasses import dataclass
from random import Random
from typing import Final

from tests.lawful.world import World, us

OVER: Final = frozenset({"finished", "dead", "cancelled"})


@dataclass(slots=True)
class Record:
    """One job as the store knows it. ``holder`` is the grant that has it (0: none)."""

    job: str
    number: int
    state: str = "waiting"
    due: int = 0
    holder: int = 0
    slot: int = 0
    deadline: int = 0
    attempts: int = 0
    crashes: int = 0
    stalls: int = 0
    reason: str = ""
    result: str = ""
    over_at: int = 0
    cancel_asked: bool = False
    listed: int = 1  # how often its end is written down
    also_in: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """What a claim gives: a job, the grant by which it is held, and which attempt this is."""

    job: str
    grant: int
    attempt: int
    at: int


class Records:
    """All that the store knows. ``now`` is the server's time in microseconds."""

    def __init__(self, world: World, rng: Random, broken: str = "") -> None:
        self.world, self.rng, self.broken = world, rng, broken
        self.promise, self.policy, self.habits = world.promise, world.policy, world.habits
        self.once = self.promise.delivery == "at_most_once"
        self.lease = us(self.promise.lease_s) if not self.once else us(10**6)
        self.records: dict[str, Record] = {}
        self.ready: list[str] = []
        self.grants: list[int] = []
        self.claimed: dict[int, list[Held]] = {}
        self.drawn: dict[int, float] = {}
        self.fence = 0
        self.paused = False
        self.hold_until = 0
        self.wakes: list[int] = []  # times at which something becomes ready, for whoever tells the workers

    def _holds(self, held: Held) -> bool:
        record = self.records.get(held.job)
        return record is not None and record.holder == held.grant and record.state == "running"

    def _wait(self, record: Record, now: int, *, wake: bool = True) -> None:
        record.state, record.holder = "waiting", 0
        self.ready.append(record.job)
        if wake:
            self.wakes.append(now)

    def _delay(self, record: Record, due: int) -> None:
        record.state, record.due = "delayed", due
        self.wakes.append(due + int(self.rng.random() * us(self.promise.sweep_s) * 0.5))

    def _take_off(self, record: Record) -> None:
        self.ready = [job for job in self.ready if job != record.job]

    def _finish(self, record: Record, result: str, now: int) -> None:
        first = not record.over_at
        record.state, record.result, record.over_at = "finished", result, now
        if self.broken == "result lost":
            record.result = ""
        elif self.broken == "finished yet waiting":
            record.also_in = "queue"
        elif self.broken == "finished twice" and first:
            self._take_off(record)
            self._wait(record, now)

    def _called_off(self, record: Record) -> bool:
        """On its way back to the queue: whether it was asked to end."""
        if self.broken == "forgets what it asked to end":
            record.cancel_asked = False
        return record.cancel_asked

    def _failed(self, record: Record, now: int, outcome: str) -> None:
        record.attempts += self.broken != "retry uncounted"
        most = self.policy.max_attempts
        most += {"one attempt too many": 1, "one attempt too few": -1}.get(self.broken, 0)
        if self._called_off(record):
            record.state, record.over_at = "cancelled", now
        elif record.attempts >= most and self.broken != "never gives up":
            self._bury(record, "timeout" if outcome == "timeout" else "exhausted", now)
        else:
            self._delay(record, now + self._backoff(max(record.attempts, 1), record.slot))
            if self.broken == "failed job finished":
                record.state, record.over_at = "finished", now

    def _backoff(self, failures: int, slot: int) -> int:
        low, high = self.policy.backoff.bounds_s(failures)
        if self.broken == "retries at once":
            return 0
        if self.broken == "backoff without cap":
            return us(high * 4 + self.promise.sweep_s + self.promise.start_gap_s + self.promise.report_s + 1.0)
        if self.broken == "backoff without jitter":
            return us(high)
        share = self.rng.random()
        if self.broken == "draws its jitter once":
            share = self.drawn.setdefault(slot, share)
        return us(low + (high - low) * share) + 1

    def _again_or_dead(self, record: Record, reason: str, times: int, most: int | None, now: int) -> None:
        if most is not None and times >= most + self.habits.one_more:
            self._bury(record, reason, now)
        else:
            self._wait(record, now)

    def _bury(self, record: Record, reason: str, now: int) -> None:
        record.state, record.reason, record.over_at = "dead", reason, now
        if self.broken == "dead letter dropped":
            record.state = "absent"
        elif self.broken == "dead letter doubled":
            record.listed = 2
        elif self.broken == "dead letter with a wrong reason":
            record.reason = {"crashed": "stalled", "exhausted": "crashed"}.get(reason, "stalled")
        elif self.broken == "dead letter without a reason":
            record.reason = "" if record.number % 2 else reason
