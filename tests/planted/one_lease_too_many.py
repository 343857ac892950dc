"""A queue gives one lease more than its limit allows.

`concurrency` must find it.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["OneLeaseTooMany", "task"]


class OneLeaseTooMany(Variant):
    """Compares the wrong way at the limit itself."""

    name = "one-lease-too-many"
    places = (
        Place(
            "claim",
            "redis.call('ZCARD', sp_key('lease', queue)) >= tonumber(limit[2])",
            "redis.call('ZCARD', sp_key('lease', queue)) > tonumber(limit[2])",
        ),
    )


if __name__ == "__main__":
    OneLeaseTooMany.main()
