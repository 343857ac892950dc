"""A paused queue goes on: the operator's step is acknowledged, and nobody looks.

`control` must find it.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["PauseIgnored", "task"]


class PauseIgnored(Variant):
    """Claims from a paused queue."""

    name = "pause-ignored"
    places = (
        Place(
            "claim",
            "if limit[1] then return math.huge end",
            "",
        ),
    )


if __name__ == "__main__":
    PauseIgnored.main()
