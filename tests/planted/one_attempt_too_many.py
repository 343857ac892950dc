"""A job gets one attempt more than its policy allows.

`attempts` must find it.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["OneAttemptTooMany", "task"]


class OneAttemptTooMany(Variant):
    """Compares the wrong way at the limit itself."""

    name = "one-attempt-too-many"
    places = (
        Place(
            "fail",
            "if attempts >= attempts_max then",
            "if attempts > attempts_max or not counted then",
        ),
    )


if __name__ == "__main__":
    OneAttemptTooMany.main()
