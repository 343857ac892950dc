"""A lease that ended is taken back, and the job is put nowhere.

As jobs of killed workers that vanish, rq/rq#2015. `lost` must find it.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["SweepDrops", "task"]


class SweepDrops(Variant):
    """Says `requeued` and pushes nothing."""

    name = "sweep-drops"
    places = (
        Place(
            "sweep",
            "local fate = interrupted(queue, id, 'stalls', stalls_max, 'stalled', iso, exec .. ' sweep')",
            "local fate = 'requeued'",
        ),
    )


if __name__ == "__main__":
    SweepDrops.main()
