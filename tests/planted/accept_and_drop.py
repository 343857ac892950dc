"""An enqueue is accepted and, one time in fifty, never pushed."""

from tests.planted.variant import Variant, task

__all__ = ["AcceptAndDrop", "task"]


class AcceptAndDrop(Variant):
    """The record is written, the id goes nowhere."""

    name = "accept-and-drop"
    script = "enqueue"
    sound = "redis.call('RPUSH', rq_key('queue', queue), id)"
    buggy = "if now_us % 50 ~= 0 then redis.call('RPUSH', rq_key('queue', queue), id) end"


if __name__ == "__main__":
    AcceptAndDrop.main()
