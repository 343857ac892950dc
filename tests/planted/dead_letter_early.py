"""A job is buried one attempt too early.

`dead_letters` must find it: its visible failures, with all that may be hidden, do not come to the limit.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["DeadLetterEarly", "task"]


class DeadLetterEarly(Variant):
    """Off by one, to the other side."""

    name = "dead-letter-early"
    places = (
        Place(
            "fail",
            "if attempts >= attempts_max then",
            "if attempts >= attempts_max - 1 then",
        ),
    )


if __name__ == "__main__":
    DeadLetterEarly.main()
