"""A worker's connection to Redis: RESP2 by hiredis over a socket, over TLS, or over a Unix socket.

Not redis-py's: importing that costs a process 0.3 s of CPU and 20 MiB, and a worker is several processes, started anew
after each crash. Its handshake takes a round trip for each step, ours one in all. Producers use redis-py.
"""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

from .errors import SettingsError

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


@dataclass(frozen=True, slots=True)
class Address:
    """Where Redis is, and as whom to speak to it. ``path``: of a Unix socket, or ''. ``tls``: options of the URL."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    db: int = 0
    username: str = ""
    password: str = ""
    tls: dict[str, str] | None = None


def parse_url(url: str) -> Address:
    """Read redis://, rediss:// or unix:// as redis-py does. Raises ``SettingsError`` without showing a password."""
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise SettingsError([f"the Redis URL's scheme is {parts.scheme!r}; allowed: redis, rediss, unix"])
    unix = parts.scheme == "unix"
    try:
        return Address(
            host=parts.hostname or "localhost",
            port=parts.port or 6379,
            path=unquote(parts.path) if unix else "",
            db=int(options.get("db", "" if unix else parts.path.strip("/")) or 0),
            username=unquote(parts.username or options.get("username", "")),
            password=unquote(parts.password or options.get("password", "")),
            tls=options if parts.scheme == "rediss" else None,
        )
    except ValueError as error:
        raise SettingsError([f"the Redis URL can't be used: {error}"]) from error


class Connection:
    """Raises ``OSError`` (and its kin) for everything that is not an answer; then it is to be closed."""

    def __init__(self, address: Address, name: str, timeout_s: float) -> None:
        self._address, self._name, self._timeout_s = address, name, timeout_s
        self._socket: socket.socket | None = None
        self._reader: Any = None

    @property
    def is_open(self) -> bool:
        """Whether it is connected, as far as is known."""
        return self._socket is not None

    def open(self, first: Sequence[Command]) -> list[Reply]:
        """Connect, say who we are, and send ``first``: one round trip. Raises ``ReplyError`` if we are not let in."""
        address = self._address
        self._socket = self._connected()
        self._reader = hiredis.Reader(replyError=ReplyError, notEnoughData=_PENDING)
        hello: list[Command] = [("CLIENT", "SETNAME", self._name)]
        if address.db:
            hello.insert(0, ("SELECT", address.db))
        if address.password:
            hello.insert(0, ("AUTH", *([address.username] if address.username else []), address.password))
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

    def _connected(self) -> socket.socket:
        address = self._address
        if address.path:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(self._timeout_s)
            connection.connect(address.path)
            return connection
        connection = socket.create_connection((address.host, address.port), self._timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.tls is None:
            return connection
        return _tls_context(address.tls).wrap_socket(connection, server_hostname=address.host)


def _tls_context(options: dict[str, str]) -> ssl.SSLContext:
    """As redis-py's URL options ask: ssl_ca_certs, ssl_certfile, ssl_keyfile, ssl_cert_reqs=none."""
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    if options.get("ssl_cert_reqs", "required") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "ssl_certfile" in options:
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    return context
