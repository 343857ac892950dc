"""A running job is filed as cancelled at once, and as finished when its body has ended.

`states` must find it: a job stands in one place.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["CancelledAndFinished", "task"]


class CancelledAndFinished(Variant):
    """Does not ask who runs it."""

    name = "cancelled-and-finished"
    places = (
        Place(
            "cancel",
            """  redis.call('HSET', key, 'cancel_request', request)
""",
            """  redis.call('ZADD', rq_key('canceled', queue), seconds(now_us + 1e9), id)
""",
        ),
    )


if __name__ == "__main__":
    CancelledAndFinished.main()
