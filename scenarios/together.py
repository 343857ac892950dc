"""Several loads as one: what arrives in several queues at once."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Self

from stormproof_target import JobSpec

from loadtests.arrivals import Arrival, Arrivals


@dataclass(frozen=True, slots=True)
class Together:
    """All of ``loads`` from the same time 0 on; each keeps its own queue, rate and length."""

    loads: tuple[Arrivals[JobSpec], ...]

    @property
    def count(self) -> int:
        """Jobs of all."""
        return sum(load.count for load in self.loads)

    @property
    def for_s(self) -> float:
        """Seconds of the longest."""
        return max(load.for_s for load in self.loads)

    @property
    def rate_s(self) -> float:
        """Jobs a second, on average over ``for_s``."""
        return self.count / self.for_s

    @property
    def jobs(self) -> Mapping[JobSpec, float]:
        """The kinds of all, each with its share of them."""
        shares: dict[JobSpec, float] = {}
        for load in self.loads:
            whole = sum(load.jobs.values())
            for spec, weight in load.jobs.items():
                shares[spec] = shares.get(spec, 0) + weight / whole * load.count
        return shares

    def plan(self, rng: Random) -> Iterator[Arrival[JobSpec]]:
        """In order of time; each load draws from a ``Random`` of its own."""
        plans = [load.plan(Random(rng.getrandbits(64))) for load in self.loads]
        return heapq.merge(*plans, key=lambda arrival: arrival.at_s)

    def with_jobs(self, jobs: Mapping[JobSpec, float]) -> Self:
        """Only these kinds; a load that has none of them is left out."""
        kept = [(load, {spec: weight for spec, weight in load.jobs.items() if spec in jobs}) for load in self.loads]
        return replace(self, loads=tuple(load.with_jobs(mine) for load, mine in kept if mine))

    def without_delays(self) -> Self:
        """The same loads, with every job due at once."""
        return replace(self, loads=tuple(load.without_delays() for load in self.loads))

    def stretched(self, factor: float) -> Self:
        """Spread the same jobs over ``factor`` times the time."""
        return replace(self, loads=tuple(load.stretched(factor) for load in self.loads))

    def slowed(self, rate_s: float | None, for_s_max: float) -> Self:
        """No more than ``rate_s`` jobs a second over all, of which each load has its share."""
        if rate_s is None or self.rate_s <= rate_s:
            return self
        share = rate_s / self.rate_s
        return replace(self, loads=tuple(load.slowed(load.rate_s * share, for_s_max) for load in self.loads))


def together(*loads: Arrivals[JobSpec]) -> Together:
    """All of them at once."""
    return Together(loads)
