"""A heartbeat renews one job of each queue, since what a worker holds was put into a mapping by queue.

`timeouts` must find it, in `payloads`: the worker ends bodies that outlive their lease, although nothing hindered it
from renewing and their own timeout is far.
"""

from system.reference.chores import Asked
from system.reference.upkeep import Held, Upkeep
from tests.planted.variant import Variant, replaces, task

__all__ = ["HeartbeatOneAQueue", "task"]

sound_heartbeat = Upkeep._heartbeat


@replaces(Upkeep)
def _heartbeat(self: Upkeep, held: list[Held]) -> Asked:
    """Groups what is held by queue."""
    return sound_heartbeat(self, list({each.queue: each for each in held}.values()))


class HeartbeatOneAQueue(Variant):
    """The last of each queue wins."""

    name = "heartbeat-one-a-queue"


if __name__ == "__main__":
    HeartbeatOneAQueue.main()
