"""The store from a container, everything else native: ``NativeEnvironment(..., make_store=ContainerRedis)``.

Needs the ``docker`` extra (testcontainers) and an engine on this machine. The proxies stay outside, so faults and
evidence are the same.
"""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from chaos.binaries import Binary, server_of
from chaos.campaign import Campaign
from chaos.environment import Durability
from chaos.environment.redis_server import CLIENTS_MAX, clients, connect
from chaos.errors import HarnessError
from chaos.probe import ping_s

if TYPE_CHECKING:
    from testcontainers.community.redis import RedisContainer

IMAGE_VARIABLE: Final = "STORMPROOF_REDIS_IMAGE"
IMAGE: Final = "redis:7.4"
INSIDE_PORT: Final = 6379
START_S_MAX: Final = 60.0
POLL_S: Final = 0.02
CAMPAIGN_LABEL: Final = "stormproof.campaign"


class ContainerRedis:
    """A Redis in a container of its own, which keeps its data over ``kill`` and ``start`` and loses it on ``close``.

    The guardian ends processes of this machine; a container whose harness was SIGKILLed is removed by testcontainers'
    own reaper (Ryuk), or by hand where that is disabled: it has the label ``stormproof.campaign``.
    """

    name = "redis"

    def __init__(self, campaign: Campaign, directory: Path, port: int, durability: Durability) -> None:
        """Started by ``start``; ``port`` is the host's, and fixed, since a restart would change an ephemeral one."""
        self.campaign, self.port, self.durability = campaign, port, durability
        self.log = directory / "logs" / "redis.log"
        self.image = os.environ.get(IMAGE_VARIABLE, IMAGE)
        self.binary = Binary(Path(self.image), "unknown")
        self.version = self.image
        self.url = f"redis://127.0.0.1:{port}/0"
        self._container: RedisContainer | None = None
        self._killed = False

    def start(self) -> None:
        """Start it and wait until it answers. Raises ``HarnessError``."""
        if self.alive:
            return
        self._killed = False
        try:
            if self._container is None:
                self._container = self._create()
            else:
                self._container.get_wrapped_container().start()
        except Exception as error:
            raise HarnessError(
                f"no Redis from a container of {self.image}: {error}. Is an engine running (`docker version`), and can"
                f" it have the image? {IMAGE_VARIABLE} names another one; without Docker the store is native"
            ) from error
        end_s = time.monotonic() + START_S_MAX
        while ping_s("127.0.0.1", self.port) is None:  # the engine's port proxy accepts before Redis listens
            if time.monotonic() > end_s or not self._runs():
                raise HarnessError(
                    f"the container of {self.image} does not answer on port {self.port}:\n{self._said()}"
                )
            time.sleep(POLL_S)
        with connect(self.port) as client:
            told = client.info("server")
        self.binary = server_of(Path(self.image), told)
        self.version = f"{self.image} {self.binary.version}"

    def kill(self) -> None:
        """SIGKILL, and wait for its end; idempotent."""
        self._killed = True
        if self.alive and self._container is not None:
            wrapped = self._container.get_wrapped_container()
            wrapped.kill()
            wrapped.wait()

    def close(self) -> None:
        """Remove the container and its data; what it said is kept in ``logs/redis.log``."""
        if self._container is not None:
            container, self._container = self._container, None
            self.log.write_bytes(container.get_wrapped_container().logs())
            container.stop()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._runs()

    def back_up(self) -> int:
        """Not offered."""
        raise HarnessError("no backup is taken of the data of a container")

    def restore(self) -> None:
        """Not offered."""
        raise HarnessError("nothing is restored to a container")

    def client_list(self) -> list[dict[str, str]]:
        """CLIENT LIST over the direct port; empty when it does not answer."""
        return clients(self.port)

    def check(self) -> None:
        """Raise ``HarnessError`` if it is down and nobody asked for that."""
        if not self._killed and not self._runs():
            raise HarnessError(f"the container of {self.image} died by itself:\n{self._said()}")

    def _runs(self) -> bool:
        if self._container is None:
            return False
        self._container.reload()
        return bool(self._container.status == "running")

    def _create(self) -> "RedisContainer":
        try:
            from testcontainers.community.redis import RedisContainer
        except ImportError:
            raise HarnessError("testcontainers is missing: install stormproof with its extra `docker`") from None
        arguments: dict[str, Any] = {"working_dir": "/data", "labels": {CAMPAIGN_LABEL: self.campaign.id}}
        container = RedisContainer(self.image, INSIDE_PORT, **arguments)
        container.with_command(["redis-server", *self._options()])
        # never to be reached from outside; the library's own method takes no address
        cast("dict[str, Any]", container.ports)[str(INSIDE_PORT)] = ("127.0.0.1", self.port)
        try:
            container.start()
        except BaseException:
            container.stop()
            raise
        return container

    def _options(self) -> list[str]:
        return [
            *("--appendonly", "yes", "--appendfsync", self.durability, "--save", ""),
            *("--maxclients", str(CLIENTS_MAX), "--protected-mode", "no"),  # clients come from the engine's bridge
        ]

    def _said(self) -> str:
        if self._container is None:
            return ""
        said: bytes = self._container.get_wrapped_container().logs(tail=8)
        return said.decode(errors="replace")
