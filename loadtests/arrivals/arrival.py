"""An arrival, and a plan of them: the open model, in which jobs come whether or not the queue keeps up."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Generic, Protocol, Self, TypeVar

T = TypeVar("T", bound=Hashable)


class ArrivalsError(ValueError):
    """A profile can't be built; the message names each wrong key and what is allowed."""


@dataclass(frozen=True, slots=True)
class Arrival(Generic[T]):
    """One job is enqueued ``at_s`` seconds into the load, and may not run before ``delay_s`` later."""

    at_s: float
    job: T
    queue: str = "default"
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Delayed:
    """The ``share`` (0 to 1) of the jobs that are enqueued with a delay of ``delay_s`` seconds."""

    share: float
    delay_s: float


class Arrivals(Protocol[T]):
    """A pure plan: the same ``Random`` state gives the same arrivals, and nothing here looks at a clock."""

    @property
    def count(self) -> int:
        """How many jobs arrive."""
        ...

    @property
    def for_s(self) -> float:
        """How long the load lasts, in seconds; what else happens in a scenario is timed in relation to it."""
        ...

    @property
    def rate_s(self) -> float:
        """Jobs a second, on average over ``for_s``."""
        ...

    @property
    def jobs(self) -> Mapping[T, float]:
        """The kinds of job, each with its weight."""
        ...

    def plan(self, rng: Random) -> Iterator[Arrival[T]]:
        """Make the arrivals in order of time, one by one as they are asked for."""
        ...

    def with_jobs(self, jobs: Mapping[T, float]) -> Self:
        """Return the same load of other kinds of job: their number stays."""
        ...

    def without_delays(self) -> Self:
        """Return the same load with every job due at once; itself if no job has a delay."""
        ...

    def stretched(self, factor: float) -> Self:
        """Spread the same jobs over ``factor`` times the time. Raises ``ArrivalsError`` unless factor > 0."""
        ...

    def slowed(self, rate_s: float | None, for_s_max: float) -> Self:
        """No more than ``rate_s`` jobs a second (None: any number): time stretches, to ``for_s_max`` at most.

        What that leaves no time for is left out: compare ``count`` before and after.
        """
        ...
