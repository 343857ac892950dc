"""A probe client: one PING on a fresh connection, no handshake, no retries."""

import socket
import time


def ping_s(host: str, port: int, timeout_s: float = 1.0) -> float | None:
    """Seconds from sending PING until PONG; None: no such answer (LOADING is none) within ``timeout_s`` a step."""
    try:
        with socket.create_connection((host, port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            sent_s = time.monotonic()
            connection.sendall(b"PING\r\n")
            answer = connection.recv(16)
            return time.monotonic() - sent_s if answer.startswith(b"+PONG") else None
    except OSError:
        return None
