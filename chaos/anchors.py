"""Where the server's clock stands beside ours: what a queue tells in the server's time can then be held against runs.

Every half second the server is asked for its time. It read its clock between our question and its answer, so that its
offset to the monotonic clock lies in an interval; a clock that was set shows as intervals that exclude each other.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from chaos.beside import Beside
from chaos.environment.redis_server import connect

EVERY_S: Final = 0.5


class Anchors(Beside):
    """A thread that tells ``anchor`` events: ``server_us`` was read between ``lo_ns`` and the event's own time.

    ``server`` is the process that answered (its run id), since a restart may be on another machine. A server that does
    not answer is asked again later. If it ends by itself (no ledger line can be written, which is told elsewhere),
    anchors are missing, and that excuses nobody.
    """

    def __init__(self, tell: Callable[..., int], port: int, every_s: float = EVERY_S) -> None:
        """``port`` of loopback. Starts when entered."""
        super().__init__("anchors")
        self.tell, self.every_s = tell, every_s
        self._port = port

    def _look_on(self) -> None:
        with contextlib.closing(connect(self._port)) as client:
            while not self.stopping.is_set():
                with contextlib.suppress(RedisError):
                    self._ask(client)
                self.stopping.wait(self.every_s)

    def _ask(self, client: Redis) -> None:
        information: Any = client.info("server")
        lo_ns = time.monotonic_ns()
        seconds, micros = client.time()
        self.tell("anchor", lo_ns=lo_ns, server_us=seconds * 1_000_000 + micros, server=information["run_id"])
