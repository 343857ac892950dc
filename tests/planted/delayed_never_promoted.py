"""Nothing that was delayed ever begins to wait, be it new or to be tried again.

`lost` must find it, as stranded: due long ago, workers free.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["DelayedNeverPromoted", "task"]


class DelayedNeverPromoted(Variant):
    """Asks for none of those that are due."""

    name = "delayed-never-promoted"
    places = (
        Place(
            "promote",
            "'LIMIT', 0, jobs_max))",
            "'LIMIT', 0, 0))",
        ),
    )


if __name__ == "__main__":
    DelayedNeverPromoted.main()
