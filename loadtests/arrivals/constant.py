"""Sustained load: evenly spaced arrivals at a constant rate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from loadtests.arrivals.arrival import Delayed, T
from loadtests.arrivals.profile import Profile, count_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Profile[T]):
    """``count`` jobs, one every ``for_s / count`` seconds from 0 on."""

    def times_s(self, rng: Random) -> Iterator[float]:  # noqa: ARG002  # nothing about it is random
        """Each time is computed from its number, so that no error adds up."""
        return (number * self.for_s / self.count for number in range(self.count))


def constant(
    *,
    rate_s: float = 100,
    for_s: float = 8,
    jobs: Mapping[T, float],
    queue: str = "default",
    delayed: Delayed | None = None,
) -> Constant[T]:
    """``rate_s`` jobs a second for ``for_s`` seconds."""
    return Constant(count=count_of(rate_s, for_s), for_s=for_s, jobs=jobs, queue=queue, delayed=delayed)
