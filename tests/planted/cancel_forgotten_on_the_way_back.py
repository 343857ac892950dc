"""A job that is given back loses the request to cancel it: it is killed for the request, and then started again.

`control` must find it, in `cancelled`: the queue said that it asks the job to end, no outcome came first, and the job
starts once more.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["CancelForgottenOnTheWayBack", "task"]


class CancelForgottenOnTheWayBack(Variant):
    """The next run shall not die of an old request."""

    name = "cancel-forgotten-on-the-way-back"
    places = (
        Place(
            "prelude",
            "  if request then return file_cancelled(queue, id, request, settled) end\n  redis.call('LPUSH',",
            "  if request then redis.call('HDEL', job_key(id), 'cancel_request') end\n  redis.call('LPUSH',",
        ),
    )


if __name__ == "__main__":
    CancelForgottenOnTheWayBack.main()
