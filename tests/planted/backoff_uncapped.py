"""Delays between attempts grow past the cap.

`backoff` must find it: a retry that starts later than the longest lawful delay, in calm time, with a free slot.
"""

from dataclasses import replace

from system.reference.backoff import Backoff
from tests.planted.variant import Variant, replaces, task

__all__ = ["BackoffUncapped", "task"]

NO_CAP_S = 1e6
sound_bounds_s = Backoff.bounds_s


@replaces(Backoff)
def bounds_s(self: Backoff, failures: int) -> tuple[float, float]:
    """As though the cap were far away."""
    return sound_bounds_s(replace(self, cap_s=NO_CAP_S), failures)


class BackoffUncapped(Variant):
    """Forgets the cap."""

    name = "backoff-uncapped"


if __name__ == "__main__":
    BackoffUncapped.main()
