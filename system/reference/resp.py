"""A worker's connection to Redis: RESP2 by hiredis over a socket, over TLS, or over a Unix socket.

Not redis-py's: importing that costs a process 0.3 s of CPU and 20 MiB, and a worker is several processes, started anew
after each crash. Its handshake takes a round trip for each step, ours one in all. Producers use redis-py.
"""

import socket
from collections.abc import Sequence
from typing import Any, Final

import hiredis

from .address import Endpoint
from .dial import dial

READ_BYTES: Final = 65536
_PENDING: Final = object()

Argument = str | bytes | int
Command = tuple[Argument, ...]
Reply = Any  # bytes, int, None, a list of these, or a ReplyError (the answer to one command among several)


class ReplyError(Exception):
    """Redis refused a command."""

    @property
    def code(self) -> str:
        """Its first word: NOSCRIPT, LOADING, ..."""
        return str(self).partition(" ")[0]


class Connection:
    """Raises ``OSError`` (and its kin) for everything that is not an answer; then it is to be closed."""

    def __init__(self, endpoint: Endpoint, name: str, timeout_s: float) -> None:
        """``timeout_s`` is what the lease leaves for one answer; the endpoint's timeouts hold where shorter."""
        self._endpoint, self._name = endpoint, name
        self._connect_timeout_s = min(timeout_s, endpoint.connect_timeout_s)
        self._timeout_s = min(timeout_s, endpoint.command_timeout_s)
        self._socket: socket.socket | None = None
        self._reader: Any = None

    @property
    def is_open(self) -> bool:
        """Whether it is connected, as far as is known."""
        return self._socket is not None

    def open(self, first: Sequence[Command]) -> list[Reply]:
        """Connect, say who we are, and send ``first``: one round trip. Raises ``ReplyError`` if we are not let in."""
        auth = self._endpoint.login.command()
        self._socket = dial(self._endpoint, self._connect_timeout_s)
        self._reader = hiredis.Reader(replyError=ReplyError, notEnoughData=_PENDING)
        hello: list[Command] = [("CLIENT", "SETNAME", self._name)]
        if self._endpoint.db:
            hello.insert(0, ("SELECT", self._endpoint.db))
        if auth:
            hello.insert(0, auth)
        replies = self.exchange([*hello, *first], 0.0)
        for reply in replies[: len(hello)]:
            if isinstance(reply, ReplyError):
                raise reply
        return replies[len(hello) :]

    def exchange(self, commands: Sequence[Command], wait_s: float) -> list[Reply]:
        """Send all at once, read all replies; each may take the timeout and ``wait_s``."""
        if self._socket is None:
            raise ConnectionError("not connected")
        self._socket.settimeout(self._timeout_s + wait_s)
        pack: Any = hiredis.pack_command  # its stub says that a command has one word
        self._socket.sendall(b"".join([pack(command) for command in commands]))
        return [self._read() for _ in commands]

    def close(self) -> None:
        """Close it; it may be opened again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _read(self) -> Reply:
        while (reply := self._reader.gets()) is _PENDING:
            assert self._socket is not None  # noqa: S101  # for the type checker: exchange has looked
            data = self._socket.recv(READ_BYTES)
            if not data:
                raise ConnectionError("closed by Redis")
            self._reader.feed(data)
        return reply
