"""A slot draws its jitter once: all its retries wait the same part of what they may.

`backoff` must find it, in `retries`: the delays lie on as many points as there are slots, and not all over.
"""

from random import Random

from system.reference.backoff import Backoff
from tests.planted.variant import Variant, replaces, task

__all__ = ["JitterDrawnOnce", "task"]

SHARE: list[float] = []


@replaces(Backoff)
def delay_s(self: Backoff, failures: int, rng: Random) -> float:
    """The first draw is kept."""
    if not SHARE:
        SHARE.append(rng.random())
    least_s, most_s = self.bounds_s(failures)
    return least_s + (most_s - least_s) * SHARE[0]


class JitterDrawnOnce(Variant):
    """Random, but only at the start."""

    name = "jitter-drawn-once"


if __name__ == "__main__":
    JitterDrawnOnce.main()
