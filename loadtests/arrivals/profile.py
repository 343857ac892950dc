"""What all profiles share: number of jobs, mix, how a plan is slowed. A profile adds only the times."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Generic, Self

from loadtests.arrivals.arrival import Arrival, ArrivalsError, Delayed, T
from loadtests.arrivals.mix import WEIGHT_DENOMINATOR_MAX, mixed, spread

COUNT_MAX: Final = 1_000_000_000
WEIGHT_MAX: Final = 1_000_000
FOR_S_MAX: Final = 30 * 24 * 3600.0
DELAY_S_MAX: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(ABC, Generic[T]):
    """``count`` jobs within ``for_s`` seconds, of the kinds ``jobs`` (to their weights), for ``queue``."""

    count: int
    for_s: float
    jobs: Mapping[T, float]
    queue: str = "default"
    delayed: Delayed | None = None

    def __post_init__(self) -> None:
        """Raise ``ArrivalsError`` naming everything that is wrong."""
        wrong = self.errors()
        if wrong:
            raise ArrivalsError("; ".join(wrong))

    def errors(self) -> list[str]:
        """Say what is wrong with the values, one sentence each."""
        wrong = []
        if not 1 <= self.count <= COUNT_MAX:
            wrong.append(f"count {self.count} (or rate_s times for_s) is not in 1..{COUNT_MAX}")
        if not 0 < self.for_s <= FOR_S_MAX:
            wrong.append(f"for_s {self.for_s:g} is not above 0 and at most {FOR_S_MAX:g}")
        if not any(weight > 0 for weight in self.jobs.values()):
            wrong.append("jobs: one kind of job with a positive weight is needed")
        least = 1 / WEIGHT_DENOMINATOR_MAX
        wrong += [
            f"jobs: the weight {weight:g} of {job} is neither 0 nor in {least:g}..{WEIGHT_MAX}"
            for job, weight in self.jobs.items()
            if weight != 0 and not least <= weight <= WEIGHT_MAX
        ]
        if self.delayed is not None:
            if not 0 <= self.delayed.share <= 1:
                wrong.append(f"delayed: share {self.delayed.share:g} is not in 0..1")
            if not 0 <= self.delayed.delay_s <= DELAY_S_MAX:
                wrong.append(f"delayed: delay_s {self.delayed.delay_s:g} is not in 0..{DELAY_S_MAX:g}")
        return wrong

    @property
    def rate_s(self) -> float:
        """Jobs a second, on average over ``for_s``."""
        return self.count / self.for_s

    @abstractmethod
    def times_s(self, rng: Random) -> Iterator[float]:
        """When the ``count`` jobs arrive, in seconds from the load's beginning, in order."""

    def plan(self, rng: Random) -> Iterator[Arrival[T]]:
        """Make the arrivals in order of time, one by one: memory does not grow with ``count``."""
        times_rng, jobs_rng, delays_rng = (Random(rng.getrandbits(64)) for _ in range(3))
        delayed = self.delayed or Delayed(0.0, 0.0)
        series = zip(
            self.times_s(times_rng),
            mixed(self.jobs, self.count, jobs_rng),
            spread(delayed.share, delays_rng),
            strict=False,  # the last one has no end
        )
        for at_s, job, late in series:
            yield Arrival(at_s, job, self.queue, delayed.delay_s if late else 0.0)

    def with_jobs(self, jobs: Mapping[T, float]) -> Self:
        """Return the same load of other kinds of job: their number stays."""
        return replace(self, jobs=jobs)

    def without_delays(self) -> Self:
        """Return the same load with every job due at once; itself if no job has a delay."""
        return self if self.delayed is None else replace(self, delayed=None)

    def stretched(self, factor: float) -> Self:
        """Spread the same jobs over ``factor`` times the time. Raises ``ArrivalsError`` unless factor > 0."""
        return replace(self, for_s=self.for_s * factor)

    def slowed(self, rate_s: float | None, for_s_max: float) -> Self:
        """No more than ``rate_s`` jobs a second (None: any number): time stretches, to ``for_s_max`` at most.

        A load that is longer than ``for_s_max`` already keeps its length. What there is no time for is left
        out: compare ``count`` before and after.
        """
        if rate_s is None or self.rate_s <= rate_s:
            return self
        if rate_s <= 0:
            raise ArrivalsError(f"rate_s {rate_s:g} is not above 0")
        for_s = min(self.count / rate_s, max(for_s_max, self.for_s))
        return replace(self.stretched(for_s / self.for_s), count=max(1, min(self.count, int(rate_s * for_s + 1e-9))))


def count_of(rate_s: float, for_s: float) -> int:
    """Multiply; 0, which no profile takes, if ``rate_s`` or ``for_s`` makes no sense."""
    return round(rate_s * for_s) if 0 < rate_s < math.inf and 0 < for_s < math.inf else 0
