"""One worker sweeps, whoever took the lock; the lock has no expiry, and dies with nobody.

`lost` must find it, as stranded: after the kill of that worker no lease is taken back any more.
"""

import time

from system.reference.chores import Chores
from system.reference.resp import Command, Reply
from tests.planted.variant import Variant, replaces, task

__all__ = ["SweeperLockKept", "task"]

MINE: set[str] = set()
sound_sweep, sound_swept = Chores._sweep, Chores._swept


@replaces(Chores)
def _sweep(self: Chores, queue: str) -> Command:
    """Take the lock first."""
    if queue in MINE:
        return sound_sweep(self, queue)
    return ("SET", f"rq:sp:sweeper:{queue}", self._plan.worker, "NX")


@replaces(Chores)
def _swept(self: Chores, queue: str, reply: Reply) -> None:
    """The lock is ours where the answer is no nil."""
    if isinstance(reply, list):
        sound_swept(self, queue, reply)
        return
    MINE.update([queue] if reply is not None else [])
    self._sweep_at_s[queue] = time.monotonic() + self._plan.settings.sweep_interval_s


class SweeperLockKept(Variant):
    """SET NX, and no EX."""

    name = "sweeper-lock-kept"


if __name__ == "__main__":
    SweeperLockKept.main()
