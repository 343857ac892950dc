"""A job that is done stays leased, so the sweep takes it back and it runs again.

`duplicates` must find it: nothing happened to the worker of the first run.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["DoneButLeased", "task"]


class DoneButLeased(Variant):
    """Only the copy for RQ's readers is removed."""

    name = "done-but-leased"
    places = (
        Place(
            "complete",
            "drop_lease(queue, id, exec)",
            "redis.pcall('ZREM', rq_key('wip', queue), id .. ':' .. exec)",
        ),
    )


if __name__ == "__main__":
    DoneButLeased.main()
