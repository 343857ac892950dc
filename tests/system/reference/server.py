"""A Redis of our own on a free loopback port, which a test may kill and start again on the same data.

Its users are those of the shipped ACL file, so a test that needs more than the file grants fails. What looks at Redis
from outside (``client``, ``stock_url``) is the default user, who may do everything.
"""

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
ROOT = Path(__file__).parents[3]
BINARIES = ROOT / ".stormproof" / "bin"
ACL = ROOT / "system" / "reference" / "stormq.acl"
PASSWORD = "of-a-test"  # noqa: S105  # of a server that lives as long as a test
NOTHING = {"off", "resetpass", "resetchannels", "resetkeys", "-@all"}
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


def acl_lines(prefix: str = "rq") -> list[str]:
    """The shipped file, its users switched on; and one who may do what all of them together may."""
    text = ACL.read_text("utf-8").replace("~rq", f"~{prefix}")
    users = [line for line in text.splitlines() if not line.startswith("user default")]
    together = dict.fromkeys(token for line in users for token in line.split()[2:] if token not in NOTHING)
    return [
        "user default on nopass ~* &* +@all",
        *(line.replace(" off resetpass ", f" on >{PASSWORD} ") for line in users),
        f"user stormq on >{PASSWORD} {' '.join(together)}",
    ]


def contents(redis: Client) -> dict[str, Any]:
    """All keys with what they hold; a DUMP would differ with the order in a hash, too."""
    read = {
        "string": redis.get,
        "hash": redis.hgetall,
        "list": lambda key: redis.lrange(key, 0, -1),
        "set": redis.smembers,
        "zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        "stream": redis.xrange,
    }
    return {key: read[redis.type(key)](key) for key in redis.scan_iter()}


class RedisServer:
    """Every write is on disk before it is acknowledged, so a SIGKILL loses nothing. ``options``: of redis-server."""

    def __init__(self, folder: Path, *options: str, prefix: str = "rq") -> None:
        self.folder, self.options = folder, options
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.acl_file, self.password_file = folder / "users.acl", folder / "password"
        self.acl_file.write_text("\n".join(acl_lines(prefix)) + "\n", "utf-8")
        self.password_file.write_text(PASSWORD + "\n", "utf-8")

    @property
    def url(self) -> str:
        """As the user who may do what the shipped users may together."""
        return f"redis://stormq:{PASSWORD}@127.0.0.1:{self.port}/0"

    @property
    def stock_url(self) -> str:
        """As the default user: for stock RQ, and for tests of the connection itself."""
        return f"redis://127.0.0.1:{self.port}/0"

    def url_of(self, role: str) -> str:
        """As the shipped user `stormq-ROLE`; without its password, since a worker gets this as an argument."""
        return f"redis://stormq-{role}@127.0.0.1:{self.port}/0?password_file={self.password_file}"

    def start(self) -> None:
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        arguments += ["--appendonly", "yes", "--appendfsync", "always", "--logfile", str(self.folder / "redis.log")]
        arguments += ["--aclfile", str(self.acl_file), *self.options]
        self.process = subprocess.Popen([server_binary(), *arguments], stdout=subprocess.DEVNULL)
        end_s = time.monotonic() + READY_S
        while True:
            try:
                with self.client() as client:
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
        return Redis(port=self.port, decode_responses=True, encoding_errors="replace", socket_connect_timeout=1)
