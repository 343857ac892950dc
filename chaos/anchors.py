"""Where the server's clock stands beside ours: what a queue tells in the server's time can then be held against runs.

Every half second the server is asked for its time. It read its clock between our question and its answer, so that its
offset to the monotonic clock lies in an interval; a clock that was set shows as intervals that exclude each other.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from redis.exceptions import RedisError

from chaos.environment.redis_server import connect

EVERY_S: Final = 0.5


class Anchors:
    """A thread that tells ``anchor`` events: ``server_us`` was read between ``lo_ns`` and the event's own time.

    ``server`` is the process that answered (its run id), since a restart may be on another machine. A server that does
    not answer is asked again later.
    """

    def __init__(self, tell: Callable[..., int], port: int, every_s: float = EVERY_S) -> None:
        """``port`` of loopback. Starts when entered."""
        self.tell, self.every_s = tell, every_s
        self._client = connect(port)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="anchors", daemon=True)

    def __enter__(self) -> Self:
        """Begin to ask."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._stopping.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        with contextlib.suppress(Exception):  # a ledger that takes no line is told elsewhere; no anchors excuse nobody
            while not self._stopping.is_set():
                with contextlib.suppress(RedisError):
                    self._ask()
                self._stopping.wait(self.every_s)

    def _ask(self) -> None:
        information: Any = self._client.info("server")
        lo_ns = time.monotonic_ns()
        seconds, micros = self._client.time()
        self.tell("anchor", lo_ns=lo_ns, server_us=seconds * 1_000_000 + micros, server=information["run_id"])
