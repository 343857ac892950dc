"""A socket to Redis: over TCP, TLS or a Unix socket, to the primary that Sentinels name. Both clients use it."""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import hiredis

from .address import Endpoint, Login, Tls

READ_BYTES: Final = 65536
PROBES: Final = 3
_PENDING: Final = object()


class UnsafePrimaryError(ConnectionError):
    """A primary that would acknowledge writes while it is cut off from its replicas."""


def dial(endpoint: Endpoint, timeout_s: float) -> socket.socket:
    """Connect; each step may take ``timeout_s`` (name resolution takes what the system's resolver takes).

    With Sentinels, or where replicas are waited for, the server must be a primary that stops taking writes when it
    loses its replicas: one that was left behind would acknowledge what is lost (rule 10). Raises ``OSError``.
    """
    if endpoint.sentinels is not None:
        host, port = _discovered(endpoint, timeout_s)
        endpoint = replace(endpoint, host=host, port=port)
    connection = _reach(endpoint, timeout_s)
    if not endpoint.replicated:
        return connection
    try:
        _check_primary(connection, endpoint)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_primary(connection: socket.socket, endpoint: Endpoint) -> None:
    role, replication = _ask(connection, endpoint.login, ("ROLE",), ("INFO", "replication"))
    if role[0] != b"master":
        raise ConnectionError(f"{endpoint.host}:{endpoint.port} is no primary: {role[0].decode()}")
    if b"min_slaves_good_slaves:" not in replication:
        raise UnsafePrimaryError(
            f"{endpoint.host}:{endpoint.port} takes writes without a replica; required where there are replicas:"
            " min-replicas-to-write 1 or more, min-replicas-max-lag above 0"
        )


def _discovered(endpoint: Endpoint, timeout_s: float) -> tuple[str, int]:
    assert endpoint.sentinels is not None  # noqa: S101  # for the type checker: its caller has looked
    failures = []
    for host, port in endpoint.sentinels.hosts:
        try:
            with _reach(replace(endpoint, host=host, port=port, path=""), timeout_s) as connection:
                command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", endpoint.sentinels.primary)
                (found,) = _ask(connection, endpoint.sentinels.login, command)
        except OSError as error:
            failures.append(f"{host}:{port}: {error}")
            continue
        if found is not None:
            return found[0].decode(), int(found[1])
        failures.append(f"{host}:{port} knows no {endpoint.sentinels.primary!r}")
    raise ConnectionError(f"no Sentinel names the primary: {'; '.join(failures)}")


def _reach(endpoint: Endpoint, timeout_s: float) -> socket.socket:
    if endpoint.path:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout_s)
        try:
            connection.connect(endpoint.path)
        except BaseException:
            connection.close()
            raise
        return connection
    connection = socket.create_connection((endpoint.host, endpoint.port), timeout_s)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if endpoint.keepalive_s:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, endpoint.keepalive_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, endpoint.keepalive_s // PROBES))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
        if endpoint.tls is None:
            return connection
        return _context(endpoint.tls).wrap_socket(connection, server_hostname=endpoint.host)
    except BaseException:
        connection.close()
        raise


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca or None)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert:
        context.load_cert_chain(tls.cert, tls.key)
    return context


def _ask(connection: socket.socket, login: Login, *commands: Sequence[str]) -> list[Any]:
    """One round trip, as this login. Raises ``OSError`` for an error reply, too."""
    pack: Any = hiredis.pack_command  # its stub says that a command has one word
    first = [login.command()] if login.command() else []
    connection.sendall(b"".join(pack(tuple(command)) for command in (*first, *commands)))
    reader = hiredis.Reader(replyError=ConnectionError, notEnoughData=_PENDING)
    replies: list[Any] = []
    while len(replies) < len(first) + len(commands):
        reply = reader.gets()
        if reply is _PENDING:
            data = connection.recv(READ_BYTES)
            if not data:
                raise ConnectionError("closed by the other side")
            reader.feed(data)
        elif isinstance(reply, ConnectionError):
            raise reply
        else:
            replies.append(reply)
    return replies[len(first) :]
