"""A claim that finds a queue at its limit looks at no other queue: everybody waits for the slowest.

`late` must find it, in `slow_queue`: the jobs of the other queue wait on while slots that serve it are idle.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["LimitBlocksAll", "task"]


class LimitBlocksAll(Variant):
    """An early end of the loop."""

    name = "limit-blocks-all"
    places = (
        Place(
            "claim",
            "  for dropped = 1, blocked_us == 0 and DROPS_MAX or 0 do",
            "  if blocked_us > 0 then break end\n  for dropped = 1, DROPS_MAX do",
        ),
    )


if __name__ == "__main__":
    LimitBlocksAll.main()
