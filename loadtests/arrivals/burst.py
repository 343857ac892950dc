"""A burst: all jobs at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import repeat
from random import Random
from typing import Self

from loadtests.arrivals.arrival import Delayed, T
from loadtests.arrivals.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst(Profile[T]):
    """``count`` jobs ``at_s`` seconds into the load; the rest of ``for_s`` is time to work them off."""

    at_s: float = 0.0

    def errors(self) -> list[str]:
        """Say what is wrong with the values, one sentence each."""
        wrong = Profile.errors(self)
        if not 0 <= self.at_s < self.for_s:
            wrong.append(f"at_s {self.at_s:g} is not in 0..for_s")
        return wrong

    def times_s(self, rng: Random) -> Iterator[float]:  # noqa: ARG002  # nothing about it is random
        """Give each the same time."""
        return repeat(self.at_s, self.count)

    def stretched(self, factor: float) -> Self:
        """Stretch when it comes and the time to work it off; the burst stays one moment."""
        return replace(self, for_s=self.for_s * factor, at_s=self.at_s * factor)


def burst(
    *,
    count: int = 1000,
    at_s: float = 0.0,
    for_s: float = 8,
    jobs: Mapping[T, float],
    queue: str = "default",
    delayed: Delayed | None = None,
) -> Burst[T]:
    """``count`` jobs at once, ``at_s`` seconds after the load's beginning, in a load of ``for_s`` seconds."""
    return Burst(count=count, at_s=at_s, for_s=for_s, jobs=jobs, queue=queue, delayed=delayed)
