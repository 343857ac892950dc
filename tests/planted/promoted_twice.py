"""Promoted jobs leave the delayed ones by their time, less 20 ms for clocks that differ: some are promoted again.

`duplicates` must find it, in `delayed`: jobs that ended well start again, and nothing connects the runs.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["PromotedTwice", "task"]


class PromotedTwice(Variant):
    """Takes off less than it has pushed."""

    name = "promoted-twice"
    places = (
        Place("promote", "  redis.call('ZREM', delayed, id)\n", ""),
        Place(
            "promote",
            "if promoted > 0 then wake(queue) end",
            """redis.call('ZREMRANGEBYSCORE', delayed, '-inf', seconds(now_us - 20000))
if promoted > 0 then wake(queue) end""",
        ),
    )


if __name__ == "__main__":
    PromotedTwice.main()
