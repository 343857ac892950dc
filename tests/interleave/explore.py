"""All states of a bounded world, in the order of their distance from its beginning."""

import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.interleave.crew import Crew
from tests.interleave.stepper import Digest, Next, State, digest_of
from tests.interleave.world import ARRIVES, Bounds


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
