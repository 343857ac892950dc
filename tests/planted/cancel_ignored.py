"""A job whose cancellation was acknowledged while it was delayed is started all the same when it is due.

`control` must find it.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["CancelIgnored", "task"]


class CancelIgnored(Variant):
    """Looks for the job among the delayed, and leaves it there."""

    name = "cancel-ignored"
    places = (
        Place(
            "cancel",
            "redis.call('ZREM', rq_key('scheduled', queue), id) == 1",
            "redis.call('ZSCORE', rq_key('scheduled', queue), id)",
        ),
    )


if __name__ == "__main__":
    CancelIgnored.main()
