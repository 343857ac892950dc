"""Every fiftieth enqueue is accepted and never pushed.

`lost` must find it.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["AcceptAndDrop", "task"]


class AcceptAndDrop(Variant):
    """The record is written, the id goes nowhere."""

    name = "accept-and-drop"
    places = (
        Place(
            "enqueue",
            "  redis.call('RPUSH', rq_key('queue', queue), id)",
            """  if redis.call('INCR', P .. ':sp:enqueues') % 50 ~= 0 then
    redis.call('RPUSH', rq_key('queue', queue), id)
  end""",
        ),
    )


if __name__ == "__main__":
    AcceptAndDrop.main()
