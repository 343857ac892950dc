"""Whoever promotes takes delayed jobs into its memory long before they are due, and takes them along when it dies.

As Celery's workers keep tasks with an ETA, celery/kombu#337. `lost` must find it.
"""

import time
from functools import partial

from system.reference.chores import Asked, Chores
from system.reference.resp import Reply
from tests.planted.variant import Variant, replaces, task

__all__ = ["DelaysInMemory", "task"]

KEPT: list[tuple[float, str, str]] = []  # due by the wall clock, queue, job
sound_due = Chores.due


@replaces(Chores)
def due(self: Chores, now_s: float) -> list[Asked]:
    """What is due goes to its list; then whatever is delayed is taken, a second before anybody asks."""
    asked = sound_due(self, now_s)
    for each in [kept for kept in KEPT if kept[0] <= time.time()]:
        KEPT.remove(each)
        commands = (("RPUSH", f"rq:queue:{each[1]}", each[2]), ("LPUSH", f"rq:sp:wake:{each[1]}", ""))
        asked += [Asked(command, lambda _reply: None) for command in commands]
    for queue in self._plan.queues if asked else ():
        asked.append(Asked(("ZPOPMIN", f"rq:scheduled:{queue}", 100), partial(_keep, queue)))
    return asked


def _keep(queue: str, reply: Reply) -> None:
    found = reply or []
    KEPT.extend((float(due_s), queue, job.decode()) for job, due_s in zip(found[::2], found[1::2], strict=True))


class DelaysInMemory(Variant):
    """A list in the supervisor."""

    name = "delays-in-memory"


if __name__ == "__main__":
    DelaysInMemory.main()
