"""Processes that take steps, each with a Redis of its own."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from tests.interleave.server import memory_redis
from tests.interleave.stepper import Digest, Next, State, Stepper
from tests.interleave.store import Store
from tests.interleave.world import Bounds

BATCH = 64


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
