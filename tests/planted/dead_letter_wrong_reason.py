"""A job that failed as often as it may is said to have crashed.

`dead_letters` must find it: none of its runs took its process with it.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["DeadLetterWrongReason", "task"]


class DeadLetterWrongReason(Variant):
    """A slip in the table of reasons."""

    name = "dead-letter-wrong-reason"
    places = (
        Place(
            "fail",
            "{error = 'exhausted',",
            "{error = 'crashed',",
        ),
    )


if __name__ == "__main__":
    DeadLetterWrongReason.main()
