"""The profiles that a user can name, each built from a length in seconds and a mix of jobs."""

from collections.abc import Mapping
from typing import Final, Protocol

from loadtests.arrivals.arrival import Arrivals, ArrivalsError, T
from loadtests.arrivals.burst import burst
from loadtests.arrivals.constant import constant
from loadtests.arrivals.soak import soak


class Builder(Protocol):
    """Builds a profile of ``for_s`` seconds of the kinds ``jobs`` (to their weights)."""

    def __call__(self, *, for_s: float, jobs: Mapping[T, float]) -> Arrivals[T]:
        """Build it. Raises ``ArrivalsError``."""
        ...


PROFILES: Final[dict[str, Builder]] = {
    "sustained": constant,
    "burst": burst,
    "soak": soak,
}


def profile(name: str, *, for_s: float, jobs: Mapping[T, float]) -> Arrivals[T]:
    """Build the profile called ``name``. Raises ``ArrivalsError`` saying which there are."""
    if name not in PROFILES:
        raise ArrivalsError(f"arrivals {name!r} is not one of {', '.join(PROFILES)}")
    return PROFILES[name](for_s=for_s, jobs=jobs)
