"""Judges the histories of many seeds, on several processes, and adds up what came of them."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final

from tests.lawful.draws import draw_world
from tests.lawful.judging import judged

CHUNK: Final = 250


@dataclass(slots=True)
class Chunk:
    """What came of some seeds. ``reached`` counts histories in which a situation occurred at least once."""

    n: int = 0
    lines: int = 0
    reached: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    undecided: Counter[str] = field(default_factory=Counter)
    accused: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)

    def add(self, other: "Chunk") -> None:
        """Sum up."""
        self.n, self.lines = self.n + other.n, self.lines + other.lines
        self.reached.update(other.reached)
        self.kinds.update(other.kinds)
        self.undecided.update(other.undecided)
        self.accused += other.accused


def look(first: int, n: int) -> Chunk:
    """Judge the worlds of these seeds."""
    chunk = Chunk(n)
    for seed in range(first, first + n):
        one = judged(draw_world(seed))
        chunk.lines += len(one.lines)
        chunk.kinds[one.world.kind] += 1
        chunk.reached.update(name for name, times in one.reached.items() if times)
        chunk.undecided.update(one.undecided)
        if one.findings:
            chunk.accused.append((seed, one.findings))
    return chunk


def look_at_many(first: int, n: int, jobs: int) -> Iterator[Chunk]:
    """In the order of their seeds, on so many processes."""
    spans = [(first + done, min(CHUNK, n - done)) for done in range(0, n, CHUNK)]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for each in [pool.submit(look, *span) for span in spans]:
            yield each.result()
