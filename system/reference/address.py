"""Where Redis is, as whom to speak to it, and how patiently: one frozen description for both clients."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from .errors import SettingsError

Outage = Literal["raise", "block", "buffer"]
OUTAGES: Final = ("raise", "block", "buffer")
RANGES: Final = {
    "port": (1, 65535),
    "db": (0, 1_000_000),
    "connect_timeout_s": (0.01, 60),
    "command_timeout_s": (0.01, 60),
    "keepalive_s": (0, 7200),
    "health_check_s": (0, 3600),
    "connect_retries": (0, 100),
    "retry_cap_s": (0.02, 60),
    "connections_max": (1, 10_000),
    "connection_wait_s": (0, 600),
    "wait_replicas": (0, 100),
    "wait_ms": (1, 60_000),
    "replica_lag_s": (0, 86400),
    "buffer_jobs": (1, 1_000_000),
    "buffer_bytes": (1, 1 << 34),
}


@dataclass(frozen=True, slots=True)
class Login:
    """As whom. The password may be an environment variable's, or a file's, which is read anew at each connecting."""

    username: str = ""
    password: str = field(default="", repr=False)
    password_env: str = ""
    password_file: str = ""

    def command(self) -> tuple[str, ...]:
        """The AUTH command; () if nobody is named and no password is asked for. Raises ``OSError`` as ``secret``."""
        secret = self.secret()
        if self.username:
            return ("AUTH", self.username, secret)
        return ("AUTH", secret) if secret else ()

    def secret(self) -> str:
        """The password of now. Raises ``OSError`` if it is nowhere: without it we would be somebody else."""
        if self.password_file:
            secret, where = Path(self.password_file).read_text("utf-8").strip(), f"the file {self.password_file}"
        elif self.password_env:
            secret, where = os.environ.get(self.password_env, ""), f"the environment's {self.password_env}"
        else:
            return self.password
        if not secret:
            raise ConnectionError(f"there is no password in {where}")
        return secret


@dataclass(frozen=True, slots=True)
class Tls:
    """``ca``: a file of certificates to trust in place of the system's; ``cert`` and ``key``: who we are."""

    ca: str = ""
    cert: str = ""
    key: str = ""
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Who is asked where the primary of this name is, in this order, and as whom they are asked."""

    hosts: tuple[tuple[str, int], ...]
    primary: str
    login: Login = field(default_factory=Login)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """All but the first seven have defaults that suit a Redis in the same network. Raises ``SettingsError``.

    path: of a Unix socket, in place of host and port; sentinels take the place of all three.
    connect_timeout_s: for each step of connecting (a Sentinel, the server, TLS); command_timeout_s: for each answer. A
    worker takes less where its lease asks for it. keepalive_s: an idle connection is probed after so long (0: never).
    health_check_s: a producer's connection that was idle for so long is tried with a PING before it is used (0: never).
    connect_retries: a producer tries again to connect, after jittered pauses up to retry_cap_s, within
    connect_timeout_s in all; what an enqueue tries beyond that is `outage`.
    connections_max: of one producer's pool; connection_wait_s: how long a thread waits for one of them.
    wait_replicas: an enqueue is acknowledged once so many replicas have it; one that falls short within wait_ms is
    unknown. replica_lag_s: the servers' min-replicas-max-lag, where this user may not read it (CONFIG GET).
    outage: what an enqueue does while Redis is away: raise at once, block and try for `enqueue_timeout_s`, or buffer up
    to buffer_jobs of buffer_bytes in memory, which acknowledges nothing.
    """

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    db: int = 0
    login: Login = field(default_factory=Login)
    tls: Tls | None = None
    sentinels: Sentinels | None = None
    connect_timeout_s: float = 2.0
    command_timeout_s: float = 2.0
    keepalive_s: int = 30
    health_check_s: float = 30.0
    connect_retries: int = 2
    retry_cap_s: float = 0.25
    connections_max: int = 64
    connection_wait_s: float = 20.0
    wait_replicas: int = 0
    wait_ms: int = 500
    replica_lag_s: float = 0.0
    outage: Outage = "block"
    buffer_jobs: int = 1000
    buffer_bytes: int = 64 << 20

    def __post_init__(self) -> None:
        """Raise ``SettingsError`` with everything that is wrong."""
        problems = [
            f"redis.{name} is {getattr(self, name):g}; allowed: {least:g} to {most:g}"
            for name, (least, most) in RANGES.items()
            if not least <= getattr(self, name) <= most
        ]
        if self.outage not in OUTAGES:
            problems.append(f"redis.outage is {self.outage!r}; allowed: {', '.join(OUTAGES)}")
        if self.wait_replicas and self.wait_ms >= self.command_timeout_s * 1000:
            problems.append(
                f"redis.wait_ms is {self.wait_ms}; allowed: less than command_timeout_s ({self.command_timeout_s:g} s),"
                " so that a WAIT ends before its reader gives up"
            )
        if self.tls is not None and bool(self.tls.cert) != bool(self.tls.key):
            problems.append("redis.tls needs both of cert and key, or neither")
        if self.sentinels is not None and not (self.sentinels.hosts and self.sentinels.primary):
            problems.append("redis.sentinel needs hosts and the name of the primary")
        if problems:
            raise SettingsError(problems)

    @property
    def replicated(self) -> bool:
        """Whether there are replicas, so that a primary may be one that was left behind (rule 10)."""
        return self.sentinels is not None or self.wait_replicas > 0

    def __str__(self) -> str:
        """Without anything secret."""
        if self.sentinels is not None:
            return f"{self.sentinels.primary} by {', '.join(f'{host}:{port}' for host, port in self.sentinels.hosts)}"
        return self.path or f"{self.host}:{self.port}"
