"""A counter of what runs goes up at a claim and down at an outcome: a slot that dies leaves it up for good.

`lost` must find it, as stranded: the limit is reached by nobody, jobs wait, workers are free.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["ConcurrencySlotLeaked", "task"]


class ConcurrencySlotLeaked(Variant):
    """Counts instead of looking."""

    name = "concurrency-slot-leaked"
    places = (
        Place(
            "claim",
            "redis.call('ZCARD', sp_key('lease', queue)) >= tonumber(limit[2])",
            "tonumber(redis.call('GET', sp_key('running', queue)) or 0) >= tonumber(limit[2])",
        ),
        Place(
            "claim",
            """      count_grant(queue, id, limit)
""",
            """      count_grant(queue, id, limit)
      redis.call('INCR', sp_key('running', queue))
""",
        ),
        Place(
            "complete",
            """drop_lease(queue, id, exec)
""",
            """drop_lease(queue, id, exec)
redis.call('DECR', sp_key('running', queue))
""",
        ),
        Place(
            "fail",
            """drop_lease(queue, id, exec)
""",
            """drop_lease(queue, id, exec)
redis.call('DECR', sp_key('running', queue))
""",
        ),
    )


if __name__ == "__main__":
    ConcurrencySlotLeaked.main()
