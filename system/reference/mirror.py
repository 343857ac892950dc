"""A worker's record in RQ's format, so that `rq info` and dashboards list it. Nothing of ours reads it."""

import os
import socket
from collections.abc import Sequence
from typing import Final

from .keys import PREFIX, iso
from .resp import Command

TTL_S: Final = 60
_BORN: Final = iso()


def worker_commands(worker: str, queues: Sequence[str]) -> list[Command]:
    """Register the worker, or say that it lives."""
    key = f"{PREFIX}:worker:{worker}"
    fields: tuple[str, ...] = ("birth", _BORN, "last_heartbeat", iso(), "queues", ",".join(queues), "state", "busy")
    fields += ("pid", str(os.getpid()), "hostname", socket.gethostname(), "version", "stormq")
    return [
        ("HSET", key, *fields),
        ("EXPIRE", key, TTL_S),
        ("SADD", f"{PREFIX}:workers", key),
        *(("SADD", f"{PREFIX}:workers:{queue}", key) for queue in queues),
    ]


def farewell_commands(worker: str, queues: Sequence[str]) -> list[Command]:
    """Take the worker off RQ's lists."""
    key = f"{PREFIX}:worker:{worker}"
    return [
        ("DEL", key),
        ("SREM", f"{PREFIX}:workers", key),
        *(("SREM", f"{PREFIX}:workers:{queue}", key) for queue in queues),
    ]
