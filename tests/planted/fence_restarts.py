"""A fence is the number of its slot's claim: a younger run may have the lower one.

`overlap` must find it, in `workers_killed`: of two runs of one job that overlap after a freeze, the fence tells which
one has lost its lease.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["FenceRestarts", "task"]


class FenceRestarts(Variant):
    """Grows for each slot alone."""

    name = "fence-restarts"
    places = (
        Place("claim", "local fence = math.max((tonumber(last_fence or 0) or 0) + 1, now_us)", "local fence = seq"),
    )


if __name__ == "__main__":
    FenceRestarts.main()
