"""A promotion stops at a paused queue, but not before it has taken the job off the delayed ones.

`lost` must find it, in `pause_resume`: jobs with a delay that are due during the pause stand nowhere afterwards.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["PromoteDropsWhenPaused", "task"]


class PromoteDropsWhenPaused(Variant):
    """A return in the wrong line."""

    name = "promote-drops-when-paused"
    places = (
        Place(
            "promote",
            "  redis.call('ZREM', delayed, id)\n",
            """  redis.call('ZREM', delayed, id)
  if redis.call('HEXISTS', sp_key('ctl', queue), 'paused') == 1 then break end
""",
        ),
    )


if __name__ == "__main__":
    PromoteDropsWhenPaused.main()
