"""A way to Redis on which replies get lost: the server has done what was asked, and the client never hears of it."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator


class Relay(socketserver.ThreadingTCPServer):
    """Passes everything on, but for the replies to the next ``replies_to_lose`` EVALSHAs, whose connections end.

    ``leaves``: nobody listens any more after one.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, upstream: int) -> None:
        super().__init__(("127.0.0.1", 0), _Pipe)
        self.upstream, self.replies_to_lose, self.leaves = upstream, 0, False
        self.url = f"redis://127.0.0.1:{self.server_address[1]}/0"


class _Pipe(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.upstream)) as upstream, contextlib.suppress(OSError):
            while sent := self.request.recv(65536):
                upstream.sendall(sent)
                reply = upstream.recv(65536)
                if b"EVALSHA" in sent and b"NOSCRIPT" not in reply and self.server.replies_to_lose:
                    self.server.replies_to_lose -= 1
                    if self.server.leaves:
                        self.server.server_close()
                    return
                self.request.sendall(reply)


@contextlib.contextmanager
def relaying(upstream: int) -> Iterator[Relay]:
    with Relay(upstream) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
