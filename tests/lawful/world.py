"""A world: one queue's promise, policy and habits, its machines, its load, and what will befall it. All from one seed.

Times are whole microseconds since the load's begin; promises and policies keep their seconds.
"""

from dataclasses import dataclass, replace
from typing import Final

from stormproof_target import Policy, Promise

SECOND: Final = 1_000_000

SPECS: Final = (
    "succeed", "succeed", "succeed", "long", "fail", "fail once", "fail twice", "exit", "kill_worker", "hang",
    "hang_c", "hold_gil",
)  # fmt: skip
FAULTS: Final = (
    "cut", "cut", "lose replies", "freeze", "freeze", "slow", "kill slot", "kill slot", "kill supervisor", "kill tree",
    "stop", "restart", "roll back", "stall host", "stall worker", "cut producer", "kill producer", "pause", "cancel",
    "cancel", "requeue", "cut all",
)  # fmt: skip


def us(seconds: float) -> int:
    """Seconds as microseconds."""
    return round(seconds * SECOND)


@dataclass(frozen=True, slots=True)
class Enqueue:
    """One job of the load: when it is sent, which spec, held back for how long."""

    at: int
    spec: str = "succeed"
    delay: int = 0
    takes: int = 20_000


@dataclass(frozen=True, slots=True)
class Blow:
    """One thing that will befall: at a time, for a time, to a worker (by its index) or a job (by the same number)."""

    kind: str
    at: int
    lasts: int = 0
    whom: int = 0


@dataclass(frozen=True, slots=True)
class Habits:
    """What a queue may do this way or that without breaking its word."""

    forks: bool = False  # a process a job
    orphans_live: bool = False  # a slot without supervisor ends its body before it goes
    kills_zombies: bool = False  # a slot whose lease is lost is ended
    kills_cancelled: bool = False  # a cancelled body's process is ended; else it is told by an exception
    fences_itself: bool = False
    claims_again: bool = True  # a claim whose reply was lost is answered again
    overwrites: bool = False  # without fences: a late report changes what is over
    gives_up: bool = False  # a worker that can't reach the store for long ends itself
    holds: bool = False  # after the store was away no lease ends for a lease's time
    timer_from_grant: bool = False
    soft_timeout: bool = True
    tells_attempts: bool = True
    one_more: bool = False  # a bound of n deaths means that the n-th is survived
    counts_hidden: bool = True  # a slot that died before its body's first line counts as a crash
    watched: bool = False  # the harness samples what its processes use (many lines)


@dataclass(frozen=True, slots=True)
class World:
    """Everything that decides a history; the same world always plays the same."""

    kind: str
    promise: Promise
    policy: Policy
    habits: Habits
    workers: int
    slots: int
    jobs: tuple[Enqueue, ...]
    blows: tuple[Blow, ...]
    reads: str = "rest"  # or "patient": when also the promised recovery is over; or "early": at ``read_at``
    read_at: int = 0
    noise: int = 0

    def without(self, part: str, index: int) -> "World":
        """One job or blow less."""
        if part == "jobs":
            return replace(self, jobs=self.jobs[:index] + self.jobs[index + 1 :])
        return replace(self, blows=self.blows[:index] + self.blows[index + 1 :])
