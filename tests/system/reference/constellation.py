"""A primary, a replica and three Sentinels on loopback, all of them real."""

import subprocess
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.system.reference.server import PASSWORD, Client, RedisServer, free_port, server_binary
from tests.system.reference.workers import wait_until

NAME = "main"
LAG_S = 2
GUARDED = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", str(LAG_S), "--repl-diskless-sync-delay", "0")


class Constellation:
    """``start`` returns once replica and Sentinels know each other."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.servers = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            self.servers.append(RedisServer(folder / name, *(options or GUARDED)))
        self.primary, self.replica = self.servers
        self.folder = folder
        self.ports = [free_port() for _ in range(3)]
        self.sentinels: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self.primary.start()
        self.replica.start()
        self.replica.client().replicaof("127.0.0.1", self.primary.port)
        wait_until(lambda: self.primary.client().info("replication").get("min_slaves_good_slaves", 1) == 1)
        wait_until(lambda: self.replica.client().info("replication")["master_link_status"] == "up")
        for port in self.ports:
            self._sentinel(port)
        wait_until(lambda: all(self._knows_all(port) for port in self.ports))

    def url(self, role: str, *options: str) -> str:
        """By Sentinels, which have a login of their own."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        told = [f"password_file={self.primary.password_file}", f"sentinel_password={PASSWORD}", *options]
        return f"redis+sentinel://stormq-{role}@{hosts}/{NAME}/0?{'&'.join(told)}"

    def sentinel(self, port: int) -> Client:
        return Redis(port=port, password=PASSWORD, decode_responses=True, socket_connect_timeout=1)

    def stop(self) -> None:
        for each in self.sentinels:
            each.kill()
            each.wait()
        for server in self.servers:
            if server.process is not None:
                server.process.kill()
                server.process.wait()

    def await_promotion(self) -> None:
        """After the primary was killed: until all Sentinels name the other."""
        self.primary, self.replica = self.replica, self.primary
        wait_until(self._is_promoted, 30)

    def bring_back(self) -> None:
        """The killed one comes back as a replica."""
        self.replica.options = (*self.replica.options, "--replicaof", f"127.0.0.1 {self.primary.port}")
        self.replica.start()

    def _is_promoted(self) -> bool:
        named = [int(self.sentinel(port).sentinel_get_master_addr_by_name(NAME)[1]) for port in self.ports]
        return bool(named == [self.primary.port] * 3 and self.primary.client().role()[0] == "master")

    def _sentinel(self, port: int) -> None:
        config = self.folder / f"sentinel-{port}.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {self.folder}\nlogfile {self.folder}/sentinel-{port}.log\n"
            f"requirepass {PASSWORD}\nsentinel sentinel-pass {PASSWORD}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {self.primary.port} 2\n"
            f"sentinel down-after-milliseconds {NAME} 800\nsentinel failover-timeout {NAME} 4000\n",
            "utf-8",
        )
        command = [server_binary(), str(config), "--sentinel"]
        self.sentinels.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))

    def _knows_all(self, port: int) -> bool:
        try:
            (master,) = self.sentinel(port).sentinel_masters().values()
        except (RedisError, ValueError):
            return False
        return bool(master["num-slaves"] == 1 and master["num-other-sentinels"] == 2)
