"""A job whose cancellation was acknowledged while it waited is started all the same.

`control` must find it.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["CancelIgnored", "task"]


class CancelIgnored(Variant):
    """Looks for the job in the list and leaves it there; a claim does not look at all."""

    name = "cancel-ignored"
    places = (
        Place(
            "cancel",
            "redis.call('LREM', rq_key('queue', queue), 0, id) > 0)",
            "redis.call('LPOS', rq_key('queue', queue), id) ~= false)",
        ),
        Place(
            "claim",
            " and job[STATUS] ~= 'canceled' then",
            " then",
        ),
    )


if __name__ == "__main__":
    CancelIgnored.main()
