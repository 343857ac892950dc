"""A delayed job is started half a second early.

`early` must find it: no clock needs to be compared.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["DelayedEarly", "task"]


class DelayedEarly(Variant):
    """Rounds its due time to the wrong side."""

    name = "delayed-early"
    places = (
        Place(
            "promote",
            "'-inf', seconds(now_us), 'LIMIT'",
            "'-inf', seconds(now_us + 500000), 'LIMIT'",
        ),
    )


if __name__ == "__main__":
    DelayedEarly.main()
