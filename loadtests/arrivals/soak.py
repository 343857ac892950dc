"""A soak: random arrivals, for as long as is asked, in constant memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from loadtests.arrivals.arrival import Delayed, T
from loadtests.arrivals.profile import Profile, count_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak(Profile[T]):
    """A Poisson process, given that exactly ``count`` jobs arrive within ``for_s``."""

    def times_s(self, rng: Random) -> Iterator[float]:
        """Order statistics of ``count`` uniform times, made in order without holding them.

        Of k times that are left, the earliest leaves a fraction U^(1/k) of the remaining interval behind it
        (L. Devroye, Non-Uniform Random Variate Generation, 1986, chapter V.3: uniform spacings).
        """
        remaining = 1.0
        for left in range(self.count, 0, -1):
            remaining *= (1.0 - rng.random()) ** (1.0 / left)
            yield (1.0 - remaining) * self.for_s


def soak(
    *,
    rate_s: float = 100,
    for_s: float = 3600,
    jobs: Mapping[T, float],
    queue: str = "default",
    delayed: Delayed | None = None,
) -> Soak[T]:
    """On average ``rate_s`` jobs a second for ``for_s`` seconds, with random gaps between them."""
    return Soak(count=count_of(rate_s, for_s), for_s=for_s, jobs=jobs, queue=queue, delayed=delayed)
