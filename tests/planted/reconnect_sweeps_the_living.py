"""A worker that has lost its connection for a moment takes all others for dead, and gives back what they run.

`duplicates` must find it: an outage that is shorter than a lease is no cause to run anything again.
"""

from collections.abc import Sequence

from system.reference.resp import Command
from system.reference.upkeep import Upkeep
from tests.planted.variant import Variant, replaces, task

__all__ = ["ReconnectSweepsTheLiving", "task"]

GIVE_BACK = """
for _, id in ipairs(redis.call('ZRANGE', 'rq:sp:lease:' .. ARGV[1], 0, -1)) do
  redis.call('ZREM', 'rq:sp:lease:' .. ARGV[1], id)
  redis.call('HSET', 'rq:job:' .. id, 'exec', '', 'status', 'queued')
  redis.call('LPUSH', 'rq:queue:' .. ARGV[1], id)
end"""
sound_failed = Upkeep._failed


@replaces(Upkeep)
def _failed(self: Upkeep, what: str, error: Exception) -> None:
    """Makes everybody's jobs wait again, at the first chance."""
    sound_failed(self, what, error)
    if not self._retrier.failures:
        commands: Sequence[Command] = [("EVAL", GIVE_BACK, 0, queue) for queue in self._plan.queues]
        for command in commands:
            self.report(command)


class ReconnectSweepsTheLiving(Variant):
    """Begins with a clean table."""

    name = "reconnect-sweeps-the-living"


if __name__ == "__main__":
    ReconnectSweepsTheLiving.main()
