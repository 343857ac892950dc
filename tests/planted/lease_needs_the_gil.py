"""A lease is renewed only while the slot's own interpreter breathes: a body that holds the GIL loses it.

As a blocked event loop loses Bull's lock, OptimalBits/bull#412. `timeouts` must find it: the worker, which could renew,
ends the body for want of a lease, long before its time was over.
"""

import threading
import time

from system.reference.board import SIZE, Board, Phase, Record
from system.reference.linux import boottime_ns
from system.reference.supervisor import Supervisor
from system.reference.upkeep import Held
from tests.planted.variant import Variant, replaces, task

__all__ = ["LeaseNeedsTheGil", "task"]

PULSE = slice(SIZE - 9, SIZE - 1)
PULSE_S = 0.05
STALE_NS = 500_000_000
sound_held, sound_write = Supervisor.held, Board.write


@replaces(Board)
def write(self: Board, record: Record) -> None:
    """The first word of a slot starts its pulse."""
    if record.phase is Phase.READY:
        threading.Thread(target=_beat, args=(self,), daemon=True).start()
    sound_write(self, record)


def _beat(board: Board) -> None:
    while True:
        board._page[PULSE] = boottime_ns().to_bytes(8, "little")  # what a board has no word for
        time.sleep(PULSE_S)


@replaces(Supervisor)
def held(self: Supervisor) -> list[Held]:
    """Only of those slots whose pulse is fresh."""
    beats = {slot.incarnation: int.from_bytes(slot.board._page[PULSE], "little") for slot in self.active}
    return [each for each in sound_held(self) if boottime_ns() - beats.get(each.incarnation, 0) < STALE_NS]


class LeaseNeedsTheGil(Variant):
    """A pulse in the slot, and a supervisor that trusts it."""

    name = "lease-needs-the-gil"


if __name__ == "__main__":
    LeaseNeedsTheGil.main()
