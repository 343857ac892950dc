"""A Redis server of our own, durable as declared, that can be killed and started again on its data."""

import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from chaos.binaries import Binary, find_redis
from chaos.campaign import Campaign, log_tail
from chaos.environment import Durability
from chaos.errors import HarnessError
from chaos.probe import ping_s

START_S_MAX: Final = 15.0
POLL_S: Final = 0.005
CLIENTS_MAX: Final = 10_000
TIMEOUT_S: Final = 2.0  # of a look at a server that may hang


class RedisServer:
    """Not started before ``start``. ``name`` is what the canary calls it; ``log`` is appended to over restarts."""

    name = "redis"

    def __init__(
        self, campaign: Campaign, binary: Binary, directory: Path, port: int, durability: Durability, log: Path
    ) -> None:
        """``directory`` holds its append-only file and is made here."""
        self.campaign, self.binary, self.directory, self.port, self.log = campaign, binary, directory, port, log
        self.durability = durability
        self.version = f"{binary.name} {binary.version}"
        self.url = f"redis://127.0.0.1:{port}/0"
        self._child: subprocess.Popen[bytes] | None = None
        self._killed = False

    def start(self) -> None:
        """Start it and wait until it answers PING: only then has it loaded its data. Raises ``HarnessError``."""
        if self.alive:
            return
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HarnessError(f"Redis' data folder can't be made: {error}") from error
        self._child = self.campaign.spawn(self._argv(), log=self.log, variables={})
        self._killed = False  # not before: `check` looks from another thread, and would take the old one for a casualty
        end_s = time.monotonic() + START_S_MAX
        while not self._answers():
            if self._child.poll() is not None:
                raise HarnessError(self._says(f"ended with {self._child.returncode} at its start"))
            if time.monotonic() > end_s:
                raise HarnessError(self._says(f"does not answer {START_S_MAX:g} s after its start"))
            time.sleep(POLL_S)

    def kill(self) -> None:
        """SIGKILL, and wait for its end; idempotent."""
        self._killed = True
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def close(self) -> None:
        """End it for good; its data stay in its folder."""
        self.kill()

    @property
    def alive(self) -> bool:
        """Whether its process exists."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Of its present or last life; 0 before the first."""
        return self._child.pid if self._child is not None else 0

    def back_up(self) -> int:
        """Copy its append-only files as they are: the last command may be torn, which Redis cuts off when it loads."""
        shutil.rmtree(self._copy, ignore_errors=True)
        try:
            shutil.copytree(self.directory, self._copy)
        except (OSError, shutil.Error) as error:
            raise HarnessError(f"Redis' data in {self.directory} can't be copied: {error}") from error
        return sum(path.stat().st_size for path in self._copy.rglob("*") if path.is_file())

    def restore(self) -> None:
        """Put the copy in the place of its data."""
        if self.alive or not self._copy.is_dir():
            raise HarnessError(f"{self._copy} can't be restored: Redis runs, or there is no such copy")
        shutil.rmtree(self.directory)
        shutil.copytree(self._copy, self.directory)

    @property
    def _copy(self) -> Path:
        return self.directory.with_name(f"{self.directory.name}-backup")

    def client_list(self) -> list[dict[str, str]]:
        """CLIENT LIST; empty when it does not answer."""
        return clients(self.port)

    def check(self) -> None:
        """Raise ``HarnessError`` if it is down and nobody asked for that."""
        if not self.alive and not self._killed:
            status = self._child.returncode if self._child is not None else None
            free = shutil.disk_usage(self.directory).free // 2**20
            raise HarnessError(self._says(f"died by itself (status {status}, {free} MiB free for its data)"))

    def _answers(self) -> bool:
        """Whether it is this server, with its data loaded: on a port that was taken meanwhile another one answers."""
        if ping_s("127.0.0.1", self.port) is None:
            return False
        try:
            with connect(self.port) as client:
                return bool(client.info("server")["process_id"] == self.pid)
        except RedisError:
            return False

    def _argv(self) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes",
            "appendfsync": self.durability,
            "maxclients": str(CLIENTS_MAX),
            "set-proc-title": "no",  # a title would overwrite the environment, and with it the campaign's mark
            "daemonize": "no",
        }
        return [str(self.binary.path), *(word for key, value in options.items() for word in (f"--{key}", value))]

    def _says(self, what: str) -> str:
        return (
            f"{self.binary.path} on port {self.port} {what}; the end of {self.log}:\n{log_tail(self.log)}\n"
            "  Look there for the reason (a full disk, a port that was taken meanwhile, too little memory), run again"
        )


def native_redis(campaign: Campaign, directory: Path, port: int, durability: Durability) -> RedisServer:
    """The one that is found on this machine, with its data and log below a scenario's ``directory``."""
    return RedisServer(campaign, find_redis(), directory / "redis", port, durability, directory / "logs" / "redis.log")


def clients(port: int) -> list[dict[str, str]]:
    """CLIENT LIST of a local server; empty when it does not answer."""
    try:
        with connect(port) as client:
            found: list[dict[str, str]] = client.client_list()
            return found
    except RedisError:
        return []


def connect(port: int, *, db: int = 0) -> Redis:
    """A client that tries once and says what happened."""
    return Redis(
        host="127.0.0.1",
        port=port,
        db=db,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
