"""After a gap in the sweeps leases are held for two milliseconds, where two seconds are meant.

`duplicates` must find it, in `redis_refuses`: once a Redis that was full takes writes again, the jobs of a worker that
sleeps a little longer are taken back before it can renew them, and run again.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["HoldInMs", "task"]


class HoldInMs(Variant):
    """A thousandth of a lease."""

    name = "hold-in-ms"
    places = (
        Place("sweep", "    hold_until_us = now_us + lease_us\n", "    hold_until_us = now_us + lease_us / 1000\n"),
    )


if __name__ == "__main__":
    HoldInMs.main()
