"""Every retry waits as long as every other: jobs that failed together come back together.

`backoff` must find it, by the spread of many delays.
"""

from random import Random

from system.reference.backoff import Backoff
from tests.planted.variant import Variant, replaces, task

__all__ = ["BackoffWithoutJitter", "task"]


@replaces(Backoff)
def delay_s(self: Backoff, failures: int, rng: Random) -> float:
    """The longest, always."""
    del rng
    return self.bounds_s(failures)[1]


class BackoffWithoutJitter(Variant):
    """Draws nothing."""

    name = "backoff-without-jitter"


if __name__ == "__main__":
    BackoffWithoutJitter.main()
