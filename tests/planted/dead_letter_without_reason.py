"""A dead letter of a timeout does not say why it is one.

`dead_letters` must find it: others of the same queue do say it.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["DeadLetterWithoutReason", "task"]


class DeadLetterWithoutReason(Variant):
    """The reason is empty."""

    name = "dead-letter-without-reason"
    places = (
        Place(
            "prelude",
            "'dead_reason', reason, 'ended_at'",
            "'dead_reason', reason == 'timeout' and '' or reason, 'ended_at'",
        ),
    )


if __name__ == "__main__":
    DeadLetterWithoutReason.main()
