"""A claim that finds a queue at its limit looks at no other queue: everybody waits for the slowest.

`backoff` must find it, in `five_queues`: retries of sound queues that are due wait on while slots are free for them.
Jobs that come for the first time wait as well, but no clause says for how long they may.
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
