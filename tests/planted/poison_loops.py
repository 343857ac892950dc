"""A job that kills its slot is given back each time, without an end.

As a poison job that takes worker after worker, rq/rq#152. `attempts` must find it: it ended more processes than it may.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["PoisonLoops", "task"]


class PoisonLoops(Variant):
    """Counts, and looks at no bound."""

    name = "poison-loops"
    places = (
        Place(
            "prelude",
            "bump(job_key(id), counter) >= bound",
            "bump(job_key(id), counter) > 1e9",
        ),
    )


if __name__ == "__main__":
    PoisonLoops.main()
