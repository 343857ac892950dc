"""Shows what Redis itself lost: numbers written straight to it, past proxies and queue.

Writes are totally ordered on one server, so the first number that is missing tells which of everybody's writes
survived.
The numbers are bits of one string (``SETBIT``): exact, and half a megabyte for a day at 50 a second. It lies in
a database of its own, out of the target's way.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from stormproof_target.ledger import Ledger, LedgerError

from chaos.errors import HarnessError
from chaos.processes import make_intact

EVERY_S: Final = 0.02
TIMEOUT_S: Final = 1.0
DATABASE: Final = 15
KEY: Final = "stormproof:canary"


class Canary:
    """A thread and a ledger of its own. ``finish`` reads all numbers back; what is missing is told in the ledger.

    They are also read back after each outage, since a roll-back shows best where it happened. ``rounds`` counts what it
    has begun to send.
    """

    def __init__(self, host: str, port: int, server: str, ledger: Path, every_s: float = EVERY_S) -> None:
        """``server``: what the ledger calls the Redis at ``host`` and ``port``; ``every_s``: between two numbers."""
        self.server, self.path, self.every_s = server, ledger, every_s
        self.sent = self.acked = self.missing = self.rounds = 0
        self.read_back = False  # the last look at what the store holds was complete
        self.error: Exception | None = None
        self._client = Redis(
            host=host,
            port=port,
            db=DATABASE,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._acked = bytearray()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="canary", daemon=True)

    def __enter__(self) -> Self:
        """Begin to write. Raises ``HarnessError`` if no ledger can be kept."""
        make_intact(self.path)
        try:
            self._ledger = Ledger(str(self.path), "canary", "canary")
        except LedgerError as error:
            raise HarnessError(f"no ledger can be kept: {error}") from error
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """``finish``, and let go of everything."""
        with contextlib.suppress(LedgerError):  # the ledger says itself that it is broken
            self.finish()
        self._client.close()
        self._ledger.close()

    def finish(self) -> int:
        """Stop writing and read back; returns how many acknowledged numbers are missing. Idempotent.

        A server that does not answer leaves the last ones unread, and ``read_back`` false.
        """
        if not self._stopping.is_set() and not self._thread.is_alive() and self.error is None:
            self.error = HarnessError("the canary ended by itself")
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        with contextlib.suppress(RedisError):
            self._read_back()
        return self.missing

    def _run(self) -> None:
        failed = False
        try:
            while not self._stopping.wait(self.every_s):
                self.rounds += 1
                self._tell(self.sent + 1, "sent")
                self.sent += 1
                try:
                    self._client.setbit(KEY, self.sent, 1)
                except RedisError:
                    failed = True  # sent, and never acknowledged
                    continue
                self._tell(self.sent, "acked")
                self._mark(self.sent)
                if failed:
                    failed = False
                    with contextlib.suppress(RedisError):
                        self._read_back()
        except Exception as error:  # noqa: BLE001  # told by the environment's check: silence is no survival
            self.error = error

    def _mark(self, n: int) -> None:
        self.acked += 1
        if n >> 3 >= len(self._acked):
            self._acked.extend(bytes((n >> 3) + 1 - len(self._acked)))
        self._acked[n >> 3] |= 0x80 >> (n & 7)

    def _read_back(self) -> None:
        self.read_back = False
        stored: Any = self._client.get(KEY) or b""
        for n in list(_lost(bytes(self._acked), stored.ljust(len(self._acked), b"\0"))):
            self.missing += 1
            self._tell(n, "missing")
            self._acked[n >> 3] &= ~(0x80 >> (n & 7))  # told once
        self.read_back = True

    def _tell(self, n: int, phase: str) -> int:
        return self._ledger.event("canary", server=self.server, n=n, phase=phase)


def _lost(acked: bytes, stored: bytes) -> Iterator[int]:
    """Numbers whose bit is set in ``acked`` and not in ``stored``; bit 0 is the highest of byte 0, as Redis counts."""
    for index, (had, has) in enumerate(zip(acked, stored, strict=False)):
        if lost := had & ~has:
            yield from (8 * index + bit for bit in range(8) if lost & (0x80 >> bit))
