"""A sweep that finds several leases over ends each of them, and gives back the first one's job each time.

`lost` must find it, in `workers_killed`: the other jobs of a worker that was killed as a whole stand nowhere.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["SweepTakesTheFirst", "task"]


class SweepTakesTheFirst(Variant):
    """A name from outside of the loop."""

    name = "sweep-takes-the-first"
    places = (
        Place(
            "sweep",
            "local counts = {requeued = 0, dead = 0, cancelled = 0}",
            "local counts, first = {requeued = 0, dead = 0, cancelled = 0}, nil",
        ),
        Place(
            "sweep",
            "      local fate = interrupted(queue, id,",
            "      first = first or id\n      local fate = interrupted(queue, first,",
        ),
    )


if __name__ == "__main__":
    SweepTakesTheFirst.main()
