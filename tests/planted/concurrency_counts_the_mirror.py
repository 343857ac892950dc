"""A limit counts the registry of running jobs for other readers, which heartbeats fill with half a second of delay.

`concurrency` must find it, in `concurrency_limit`: short jobs are never in it, so that every slot gets one.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["ConcurrencyCountsTheMirror", "task"]


class ConcurrencyCountsTheMirror(Variant):
    """The wrong key."""

    name = "concurrency-counts-the-mirror"
    places = (
        Place(
            "claim",
            "redis.call('ZCARD', sp_key('lease', queue)) >= tonumber(limit[2])",
            "redis.call('ZCARD', rq_key('wip', queue)) >= tonumber(limit[2])",
        ),
    )


if __name__ == "__main__":
    ConcurrencyCountsTheMirror.main()
