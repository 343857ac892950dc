"""Makes mutants of all recorded histories and has every checker judge them."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from scenarios.checkers.registry import CHECKERS, clause_of
from scenarios.judge import Judgement, judge
from tests.mutations.scene import Mutant, Mutation, Scene

SURVIVORS_KEPT: Final = 5


@dataclass(slots=True)
class Tally:
    """What became of a mutation's mutants. ``excused``: they survived, and may be lawful by the mutation's own rule."""

    mutation: Mutation
    applied: int = 0
    killed: int = 0
    excused: int = 0
    histories: set[str] = field(default_factory=set)
    anomalies: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    excuses: Counter[str] = field(default_factory=Counter)
    survivors: list[str] = field(default_factory=list)

    @property
    def unlawful(self) -> int:
        """Mutants that had to be found."""
        return self.applied - self.excused


def applies(mutation: Mutation, scene: Scene) -> bool:
    """Whether the checker is held against this target at all: by its promise and what it can do."""
    registered = CHECKERS[mutation.checker]
    can = not registered.abilities or any(scene.original.history.can(each) for each in registered.abilities)
    return can and bool(clause_of(scene.promise, registered.clause))


def judged(scene: Scene, mutant: Mutant) -> Judgement:
    """By every checker, under the promise and the conditions of the recording."""
    return judge(mutant.draft.history(), scene.promise, scene.scenario)


def random_of(mutation: Mutation, scene: Scene, seed: int, number: int) -> Random:
    """So that a mutant is made again by what the table says of it."""
    return Random(f"{seed}-{mutation.name}-{scene.recorded.name}-{number}")


def try_out(mutation: Mutation, scenes: Sequence[Scene], times: int, seed: int, least: int = 0) -> Tally:
    """``times`` places in each history, or as many as make ``least`` mutants, each drawn by ``random_of``."""
    tally = Tally(mutation)
    chosen = [
        scene
        for scene in scenes
        if applies(mutation, scene) and mutation.make(scene, random_of(mutation, scene, seed, 0)) is not None
    ]
    for scene in chosen:
        for number in range(max(times, math.ceil(least / len(chosen)))):
            mutant = mutation.make(scene, random_of(mutation, scene, seed, number))
            if mutant is not None:
                _count(tally, scene, mutant, number)
    return tally


def _count(tally: Tally, scene: Scene, mutant: Mutant, number: int) -> None:
    judgement = judged(scene, mutant)
    tally.applied += 1
    tally.histories.add(scene.recorded.name)
    found = next(each for each in judgement.checkers if each.name == tally.mutation.checker)
    named = [each for each in found.judged.findings if mutant.job in (None, each.job)]
    if named:
        tally.killed += 1
        tally.anomalies[named[0].anomaly] += 1
        tally.others.update(name for name in judgement.failed if name != tally.mutation.checker)
    elif mutant.excuse:
        tally.excused += 1
        tally.excuses[_kind(mutant.excuse)] += 1
    elif len(tally.survivors) < SURVIVORS_KEPT:
        state = found.error or found.why or f"undecided {found.judged.undecided}"
        tally.survivors.append(f"{scene.recorded.name} #{number}, job {mutant.job} ({found.verdict}: {state})")


def _kind(excuse: str) -> str:
    """``fault freeze-2`` as ``fault freeze``."""
    return excuse.rstrip("0123456789").rstrip("-")
