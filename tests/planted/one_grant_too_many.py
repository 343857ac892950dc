"""A queue grants one job more in a window than its rate allows.

`rate` must find it.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["OneGrantTooMany", "task"]


class OneGrantTooMany(Variant):
    """Looks at the grant before the n-th before this one."""

    name = "one-grant-too-many"
    places = (
        Place(
            "claim",
            "tonumber(limit[4]) - 1)",
            "tonumber(limit[4]))",
        ),
    )


if __name__ == "__main__":
    OneGrantTooMany.main()
