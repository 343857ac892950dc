"""A Redis without memory refuses the writes of an enqueue one by one, and the job is acknowledged all the same.

`lost` must find it: acknowledged, and in no key.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["EnqueueHalfDone", "task"]


class EnqueueHalfDone(Variant):
    """An error in the middle is not looked at."""

    name = "enqueue-half-done"
    places = (
        Place(
            "enqueue",
            "  redis.call('RPUSH', rq_key('queue', queue), id)",
            "  redis.pcall('RPUSH', rq_key('queue', queue), id)",
        ),
        Place(
            "enqueue",
            "redis.call('HSET', key, 'status', status,",
            "redis.pcall('HSET', key, 'status', status,",
        ),
        Place(
            "enqueue",
            "if delay_us == 0 then wake(queue) end",
            "if delay_us == 0 then pcall(wake, queue) end",
        ),
    )


if __name__ == "__main__":
    EnqueueHalfDone.main()
