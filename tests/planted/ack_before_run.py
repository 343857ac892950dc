"""A claim finishes the job before its body has run: a worker that dies in between takes it along.

As queues do that pop and forget, resque/resque#93. `lost` must find it: what the queue calls finished has no run that
ended well.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["AckBeforeRun", "task"]


class AckBeforeRun(Variant):
    """The claim files the job as finished instead of leasing it."""

    name = "ack-before-run"
    places = (
        Place(
            "claim",
            "redis.call('ZADD', sp_key('lease', queue), 'GT', int(now_us + lease_us), id)",
            "redis.call('ZADD', rq_key('finished', queue), '+inf', id)",
        ),
    )


if __name__ == "__main__":
    AckBeforeRun.main()
