"""Two sweepers read the same list of ended leases, and both give each job back, one a second after the other.

`duplicates` must find it: one run follows a kill, but the next one follows nothing.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["SweepEnqueuesTwice", "task"]


class SweepEnqueuesTwice(Variant):
    """The second one's push, a second later."""

    name = "sweep-enqueues-twice"
    places = (
        Place(
            "sweep",
            """      drop_lease(queue, id, exec)
""",
            """      drop_lease(queue, id, exec)
      redis.call('ZADD', rq_key('scheduled', queue), seconds(now_us + 1000000), id)
""",
        ),
    )


if __name__ == "__main__":
    SweepEnqueuesTwice.main()
