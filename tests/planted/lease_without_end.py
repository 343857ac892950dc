"""A lease never ends: what a dead worker held is held for ever.

`lost` must find it, as stranded: acknowledged, in a key, workers free, and nothing happens any more.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["LeaseWithoutEnd", "task"]


class LeaseWithoutEnd(Variant):
    """No sweep will ever find it due."""

    name = "lease-without-end"
    places = (
        Place(
            "claim",
            "'GT', int(now_us + lease_us), id)",
            "'GT', '+inf', id)",
        ),
    )


if __name__ == "__main__":
    LeaseWithoutEnd.main()
