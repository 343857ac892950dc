"""All states of a bounded world, in the order of their distance from its beginning; two processes share the work."""

import hashlib
import math
import multiprocessing
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from tests.interleave.outcome import alone, sent
from tests.interleave.promises import broken, broken_now
from tests.interleave.server import memory_redis
from tests.interleave.store import NOW, Command, Keys, Store
from tests.interleave.world import (
    ARRIVES,
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

BATCH = 64
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


@dataclass(slots=True)
class Explored:
    """How many states were met and transitions taken, all of them up to ``depth`` steps away.

    ``kinds``: transitions by what they are, ``late`` those of held commands; ``trace``: the shortest way to the first
    broken promise, if any.
    """

    bounds: Bounds
    states: int = 1
    transitions: int = 0
    depth: int = 0
    complete: bool = False
    kinds: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    problem: str = ""
    trace: tuple[str, ...] = ()

    def count(self, step: Next) -> None:
        """One more transition."""
        kind = step.label.partition(" [")[0].partition("(")[0]
        self.transitions += 1
        self.kinds[kind] += 1
        self.late[kind] += step.label.endswith(f"[{ARRIVES}]")


@dataclass(frozen=True, slots=True)
class Beginning:
    """Asks a process for the first state of a world."""

    variant: str
    bounds: Bounds


def _serve(pipe: Connection, overlays: Mapping[str, Path]) -> None:
    """A process of its own with a Redis of its own, until its pipe is closed."""
    with memory_redis() as socket, suppress(EOFError):
        store = Store(socket, overlays)
        while True:
            question = pipe.recv()
            if isinstance(question, Beginning):
                stepper = Stepper(store, question.variant)
                pipe.send(stepper.first(question.bounds))
            else:
                pipe.send(stepper.nexts(question))


class Crew:
    """Processes that take steps."""

    def __init__(self, pipes: list[Connection]) -> None:
        self._pipes = pipes

    def first(self, variant: str, bounds: Bounds) -> State:
        """Where a world begins; every process is told of it."""
        for pipe in self._pipes:
            pipe.send(Beginning(variant, bounds))
        states: list[State] = [pipe.recv() for pipe in self._pipes]
        return states[0]

    def nexts(
        self, states: Sequence[tuple[Digest, State]], stop: Callable[[], bool]
    ) -> Iterator[tuple[Digest, list[Next]]]:
        """In the order of ``states``, until ``stop``; all processes are kept busy. To be read to its end."""
        batches = iter([states[at : at + BATCH] for at in range(0, len(states), BATCH)])
        asked: deque[tuple[Connection, Sequence[tuple[Digest, State]]]] = deque()

        def ask(pipe: Connection) -> None:
            batch = None if stop() else next(batches, None)
            if batch:
                pipe.send([state for _, state in batch])
                asked.append((pipe, batch))

        for pipe in self._pipes:
            ask(pipe)
        while asked:
            pipe, batch = asked.popleft()
            answers: list[list[Next]] = pipe.recv()
            ask(pipe)
            yield from zip([digest for digest, _ in batch], answers, strict=True)


@contextmanager
def crew(overlays: Mapping[str, Path], processes: int) -> Iterator[Crew]:
    """``overlays``: by variant, '' for the sound scripts."""
    context = multiprocessing.get_context("spawn")
    pipes, workers = [], []
    for _ in range(processes):
        ours, theirs = context.Pipe()
        worker = context.Process(target=_serve, args=(theirs, dict(overlays)), daemon=True)
        worker.start()
        theirs.close()
        pipes.append(ours)
        workers.append(worker)
    try:
        yield Crew(pipes)
    finally:
        for pipe in pipes:
            pipe.close()
        for worker in workers:
            worker.join()


def explore(crew: Crew, variant: str, bounds: Bounds, depth: int = 0, limit_s: float = math.inf) -> Explored:
    """Every state within ``bounds``, up to ``depth`` steps away (0: all), until a promise is broken or time is up."""
    began_s = time.monotonic()
    start = crew.first(variant, bounds)
    root = digest_of(start)
    came_from: dict[Digest, tuple[Digest, str]] = {root: (b"", "")}
    frontier: list[tuple[Digest, State]] = [(root, start)]
    result = Explored(bounds)

    def stop() -> bool:
        return bool(result.problem) or time.monotonic() - began_s > limit_s

    while frontier and not stop() and not (depth and result.depth >= depth):
        following: list[tuple[Digest, State]] = []
        for parent, nexts in crew.nexts(frontier, stop):
            for each in nexts:
                result.count(each)
                if each.problems and not result.problem:
                    result.problem = "; ".join(each.problems)
                    result.trace = (*_trace(came_from, parent), each.label)
                if each.state and each.digest not in came_from:
                    came_from[each.digest] = (parent, each.label)
                    following.append((each.digest, each.state))
        if not stop():
            result.depth += 1
            frontier = following
    result.complete = not frontier
    result.states, result.seconds = len(came_from), time.monotonic() - began_s
    return result


def _trace(came_from: Mapping[Digest, tuple[Digest, str]], digest: Digest) -> list[str]:
    labels: list[str] = []
    while came_from[digest][0]:
        digest, label = came_from[digest]
        labels.insert(0, label)
    return labels
