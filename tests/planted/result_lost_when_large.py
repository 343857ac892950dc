"""A result of more than 32 KiB is not kept, and nobody is told.

`results` must find it: a job that ended well has no result although its time to live is not over.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["ResultLostWhenLarge", "task"]


class ResultLostWhenLarge(Variant):
    """A bound that nobody has promised."""

    name = "result-lost-when-large"
    places = (
        Place(
            "complete",
            "if result ~= '' and ttl_s ~= 0 then",
            "if result ~= '' and #result < 32768 and ttl_s ~= 0 then",
        ),
    )


if __name__ == "__main__":
    ResultLostWhenLarge.main()
