"""A Redis of our own on a free loopback port, which a test may kill and start again on the same data."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

Client = Any  # redis-py types a reply as each of its clients would give it, which is of no use here
BINARIES = Path(__file__).parents[3] / ".stormproof" / "bin"
READY_S = 10.0


def server_binary() -> str:
    """`redis-server`, or the Valkey that set-up brought."""
    path = os.pathsep.join([str(BINARIES), os.environ["PATH"]])
    found = shutil.which("redis-server", path=path) or shutil.which("valkey-server", path=path)
    assert found, "no redis-server and no valkey-server: run `make setup`"
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """Every write is on disk before it is acknowledged, so a SIGKILL loses nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        arguments += ["--appendonly", "yes", "--appendfsync", "always", "--logfile", str(self.folder / "redis.log")]
        self.process = subprocess.Popen([server_binary(), *arguments], stdout=subprocess.DEVNULL)
        end_s = time.monotonic() + READY_S
        while True:
            try:
                with Redis(port=self.port, socket_connect_timeout=1) as client:
                    client.ping()
                    return
            except RedisError:
                assert self.process.poll() is None, (self.folder / "redis.log").read_text()
                assert time.monotonic() < end_s, "redis-server is not ready"
                time.sleep(0.02)

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def client(self) -> Client:
        return Redis(port=self.port, decode_responses=True, encoding_errors="replace")
