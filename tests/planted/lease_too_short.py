"""A lease is a tenth of what it should be: long jobs are taken away from workers that are well.

A unit that was mixed up. `duplicates` must find it: the worker could renew all the time.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["LeaseTooShort", "task"]


class LeaseTooShort(Variant):
    """Until the first heartbeat."""

    name = "lease-too-short"
    places = (
        Place(
            "claim",
            "tonumber(ARGV[2]), tonumber(ARGV[3])",
            "tonumber(ARGV[2]), (tonumber(ARGV[3]) or 0) / 10",
        ),
    )


if __name__ == "__main__":
    LeaseTooShort.main()
