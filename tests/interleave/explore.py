"""All states of a bounded world, in the order of their distance from its beginning; two processes share the work."""

import hashlib
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from tests.interleave.outcome import alone, sent
from tests.interleave.promises import broken, broken_now
from tests.interleave.server import memory_redis
from tests.interleave.store import NOW, Command, Keys, Store
from tests.interleave.world import ARRIVES, HELD, INTERVAL_US, RESTART_US, STALLS_MAX, WAIT_US, Bounds, Step, World
from tests.interleave.world import begin, steps
from tests.system.reference.calls import ISO, LEASE_US, START_US

BATCH = 64
SWEEP = "rq:sp:sweep:q"
ATOM_SEPARATOR = b"\0"

State = tuple[bytes, World]
Digest = bytes


@dataclass(frozen=True, slots=True)
class Next:
    """What one step leads to; ``problems`` are the promises that it breaks."""

    label: str
    digest: Digest
    state: State
    problems: tuple[str, ...]


def digest_of(state: State) -> Digest:
    """Equal for equal states."""
    blob, world = state
    return hashlib.blake2b(blob + ATOM_SEPARATOR + repr(world).encode(), digest_size=12).digest()


class Stepper:
    """Takes every step from a state over one Redis, with the scripts of one variant."""

    def __init__(self, store: Store, variant: str) -> None:
        self._store, self._variant = store, variant

    def first(self, bounds: Bounds) -> State:
        """The queue was swept once: its sweeps go on without a gap."""
        sweep = ("q", 100, STALLS_MAX, LEASE_US, INTERVAL_US, ISO)
        commands = [("SET", NOW, START_US), self._store.transition(self._variant, "sweep", *sweep)]
        return self._store.begin(commands), begin(bounds)

    def nexts(self, states: Sequence[State]) -> list[list[Next]]:
        """For each state what may come next."""
        taken = [[(step, *self._prepared(state, step)) for step in steps(state[1])] for state in states]
        done = iter(self._store.each([(blob, commands) for each in taken for _, blob, commands in each]))
        return [
            [self._judged(state, step, *next(done)) for step, _, _ in each]
            for state, each in zip(states, taken, strict=True)
        ]

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

    def _judged(self, state: State, step: Step, replies: list[object], blob: bytes) -> Next:
        before_blob, world = state
        before, after = Keys(before_blob), Keys(blob)
        problems: list[str] = []
        if step.command:
            reply = replies[0] if replies else []
            assert isinstance(reply, list)
            problems += broken(world, step, reply, before, after)
            world = sent(world, step, reply, before, after)
        else:
            world = alone(world, step, blob)
        problems += broken_now(world, after)
        following = (blob, world)
        return Next(str(step), digest_of(following), following, tuple(problems))


@dataclass(slots=True)
class Explored:
    """``states`` met and ``transitions`` taken, those by kind; the ``trace`` to the first broken promise, if any."""

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


def _serve(pipe: Connection, overlays: Mapping[str, Path | None]) -> None:
    """A process of its own with a Redis of its own, until its pipe is closed."""
    with memory_redis() as socket:
        store = Store(socket, dict(overlays))
        while True:
            try:
                variant, question = pipe.recv()
            except EOFError:
                return
            stepper = Stepper(store, variant)
            pipe.send(stepper.first(question) if isinstance(question, Bounds) else stepper.nexts(question))


class Crew:
    """Processes that take steps."""

    def __init__(self, pipes: list[Connection]) -> None:
        self._pipes = pipes

    def first(self, variant: str, bounds: Bounds) -> State:
        self._pipes[0].send((variant, bounds))
        state: State = self._pipes[0].recv()
        return state

    def nexts(self, variant: str, states: Sequence[tuple[Digest, State]]) -> Iterator[tuple[Digest, list[Next]]]:
        """In the order of ``states``; all processes are kept busy."""
        batches = [states[at : at + BATCH] for at in range(0, len(states), BATCH)]
        for at in range(min(len(self._pipes), len(batches))):
            self._pipes[at].send((variant, [state for _, state in batches[at]]))
        for at, batch in enumerate(batches):
            pipe = self._pipes[at % len(self._pipes)]
            answers: list[list[Next]] = pipe.recv()
            if at + len(self._pipes) < len(batches):
                pipe.send((variant, [state for _, state in batches[at + len(self._pipes)]]))
            yield from zip([digest for digest, _ in batch], answers, strict=True)


@contextmanager
def crew(overlays: Mapping[str, Path | None], processes: int) -> Iterator[Crew]:
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


def explore(crew: Crew, variant: str, bounds: Bounds, depth: int = 0, until_s: float = float("inf")) -> Explored:
    """Every state within ``bounds``, up to ``depth`` steps away (0: all), until a promise is broken or time is up."""
    began_s = time.monotonic()
    start = crew.first(variant, bounds)
    root = digest_of(start)
    came_from: dict[Digest, tuple[Digest, str]] = {root: (b"", "")}
    frontier: list[tuple[Digest, State]] = [(root, start)]
    result = Explored(bounds)
    while frontier and not result.problem and not (depth and result.depth >= depth):
        following: list[tuple[Digest, State]] = []
        for parent, nexts in crew.nexts(variant, frontier):
            for each in nexts:
                result.transitions += 1
                result.kinds[each.label.partition("(")[0].partition(" [")[0]] += 1
                if each.label.endswith(f"[{ARRIVES}]"):
                    result.late[each.label.partition("(")[0]] += 1
                if each.problems and not result.problem:
                    result.problem = "; ".join(each.problems)
                    result.trace = (*_trace(came_from, parent), each.label)
                if each.digest not in came_from:
                    came_from[each.digest] = (parent, each.label)
                    following.append((each.digest, each.state))
        result.depth += 1
        frontier = following
        if time.monotonic() - began_s > until_s:
            break
    result.complete = not frontier
    result.states, result.seconds = len(came_from), time.monotonic() - began_s
    return result


def _trace(came_from: dict[Digest, tuple[Digest, str]], digest: Digest) -> list[str]:
    labels: list[str] = []
    while came_from[digest][0]:
        digest, label = came_from[digest]
        labels.insert(0, label)
    return labels
