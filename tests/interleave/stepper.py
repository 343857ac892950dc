"""Every step from a state, taken over one Redis and judged."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from tests.interleave.outcome import alone, sent
from tests.interleave.promises import broken, broken_now
from tests.interleave.store import NOW, Command, Keys, Store
from tests.interleave.world import (
    HELD,
    INTERVAL_US,
    RESTART_US,
    STALLS_MAX,
    WAIT_US,
    Bounds,
    Step,
    World,
    begin,
    steps,
)
from tests.system.reference.calls import ISO, LEASE_US, START_US

SWEEP = "rq:sp:sweep:q"

State = tuple[bytes, World]
Digest = bytes


@dataclass(frozen=True, slots=True)
class Next:
    """What one step leads to; ``problems`` are the promises that it breaks."""

    label: str
    digest: Digest
    state: State | None  # left out where the process that took the step has told it before
    problems: tuple[str, ...]


def digest_of(state: State) -> Digest:
    """Equal for equal states."""
    blob, world = state
    return hashlib.blake2b(blob + repr(world).encode(), digest_size=12).digest()


class Stepper:
    """Takes every step from a state over one Redis, with the scripts of one variant."""

    def __init__(self, store: Store, variant: str) -> None:
        self._store, self._variant = store, variant
        self._told: set[Digest] = set()

    def first(self, bounds: Bounds) -> State:
        """The queue was swept once: its sweeps go on without a gap."""
        sweep = ("q", 100, STALLS_MAX, LEASE_US, INTERVAL_US, ISO)
        commands = [("SET", NOW, START_US), self._store.transition(self._variant, "sweep", *sweep)]
        return self._store.begin(commands), begin(bounds)

    def nexts(self, states: Sequence[State]) -> list[list[Next]]:
        """For each state what may come next."""
        taken = [[(step, *self._prepared(state, step)) for step in steps(state[1])] for state in states]
        done = iter(self._store.each([(blob, commands) for each in taken for _, blob, commands in each]))
        nexts = []
        for (blob, world), each in zip(states, taken, strict=True):
            before = Keys(blob)
            nexts.append([self._judged(world, before, step, *next(done)) for step, _, _ in each])
        return nexts

    def _prepared(self, state: State, step: Step) -> tuple[bytes, list[Command]]:
        """From which Redis the step goes, and what is sent."""
        blob, world = state
        if step.command:
            if step.how == HELD:
                return blob, []
            return blob, [self._store.transition(self._variant, step.command.what, *step.command.arguments)]
        if step.what == "wait":
            return blob, [("INCRBY", NOW, WAIT_US)]
        if step.what == "roll back":
            now_us = Keys(blob).now_us + RESTART_US
            return world.saved, [("SET", NOW, now_us), ("HSET", SWEEP, "run_id", "another")]
        return blob, []

    def _judged(self, world: World, before: Keys, step: Step, replies: list[object], blob: bytes) -> Next:
        after = Keys(blob)
        problems: list[str] = []
        if step.command:
            reply = replies[0] if replies else []
            assert isinstance(reply, list)
            problems += broken(world, step, reply, before, after)
            world = sent(world, step, reply, before, after)
        else:
            world = alone(world, step, blob)
        following = (blob, world)
        digest = digest_of(following)
        if digest in self._told:
            return Next(str(step), digest, None, tuple(problems))
        self._told.add(digest)
        problems += broken_now(world, after)
        return Next(str(step), digest, following, tuple(problems))
