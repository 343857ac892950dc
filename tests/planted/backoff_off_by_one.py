"""The delay after a failure is the one that belongs to the next: each pause is twice as long as promised.

`backoff` must find it, by the spread of many delays: none is so long that it alone proves anything.
"""

from system.reference.backoff import Backoff
from tests.planted.variant import Variant, replaces, task

__all__ = ["BackoffOffByOne", "task"]

sound_bounds_s = Backoff.bounds_s


@replaces(Backoff)
def bounds_s(self: Backoff, failures: int) -> tuple[float, float]:
    """Counts one failure more."""
    return sound_bounds_s(self, failures + 1)


class BackoffOffByOne(Variant):
    """Counts from the wrong number."""

    name = "backoff-off-by-one"


if __name__ == "__main__":
    BackoffOffByOne.main()
