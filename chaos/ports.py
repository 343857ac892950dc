"""Ports for servers that must be able to leave theirs and come back to it.

An ephemeral port won't do: while a proxy is down, any client on the machine may be given its number. So ports come
from a range below the ephemeral ones, and each is locked while it is ours. The lock is an abstract Unix socket: it
lives in the same network namespace as the port, dies with the process that holds it, and leaves no file.
"""

import os
import re
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from chaos.errors import HarnessError

RANGE_VARIABLE: Final = "STORMPROOF_PORTS"
PORT_MAX: Final = 65_535
RANGE: Final = range(21_000, 24_000)
PORTS_MIN: Final = 500


class Ports:
    """Hands out ports that nobody listens on and no other harness has. Thread-safe; closing releases all."""

    def __init__(self, candidates: Sequence[int] | None = None) -> None:
        """``candidates``: where to look; without it ``STORMPROOF_PORTS`` (``FIRST-LAST``), or ``default_range``."""
        self.candidates = candidates if candidates is not None else _from_environment()
        self._next = os.getpid() * 37 % max(1, len(self.candidates))  # neighbours in time start far apart
        self._locks: dict[int, socket.socket] = {}
        self._taking = threading.Lock()

    def take(self) -> int:
        """Lock a free port. Raises ``HarnessError`` when the range has none."""
        with self._taking:
            for _ in self.candidates:
                port = self.candidates[self._next % len(self.candidates)]
                self._next += 1
                if port not in self._locks and self._lock(port):
                    return port
        raise HarnessError(
            f"no free port: all {len(self.candidates)} of {self._shown()} are in use."
            f" End what uses them (`stormproof doctor --reap` ends leftovers of ours), or name another range:"
            f" {RANGE_VARIABLE}=30000-30999"
        )

    def give_back(self, port: int) -> None:
        """Unlock it; unknown ports are fine."""
        lock = self._locks.pop(port, None)
        if lock is not None:
            lock.close()

    def close(self) -> None:
        """Unlock all; idempotent."""
        for port in list(self._locks):
            self.give_back(port)

    def _lock(self, port: int) -> bool:
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0stormproof-port-{port}")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: TIME_WAIT is free
                probe.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            return False
        self._locks[port] = lock
        return True

    def _shown(self) -> str:
        return f"{self.candidates[0]} to {self.candidates[-1]}" if self.candidates else "an empty range"

    def __enter__(self) -> Self:
        """Nothing is taken yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Unlock all."""
        self.close()


def default_range(ephemeral_first: int, ephemeral_last: int) -> range:
    """21000 to 23999, or where these are ephemeral what lies above or below; all the same if there is nothing."""
    if ephemeral_first > RANGE[-1] or ephemeral_last < RANGE[0]:
        return RANGE
    above, below = range(ephemeral_last + 1, PORT_MAX + 1), range(10_000, ephemeral_first)
    return next((each for each in (below, above) if len(each) >= PORTS_MIN), RANGE)


def _from_environment() -> Sequence[int]:
    text = os.environ.get(RANGE_VARIABLE)
    if text is None:
        return default_range(*map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()))
    match = re.fullmatch(r"(\d+)-(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= PORT_MAX:
        raise HarnessError(f"{RANGE_VARIABLE}={text}: FIRST-LAST is needed, two ports from 1 to {PORT_MAX}")
    return range(int(match[1]), int(match[2]) + 1)
