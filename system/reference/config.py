"""The configuration of all queues, as data: what each queue is promised, and what each worker is told."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from .errors import SettingsError
from .layers import meant
from .settings import Settings

# What makes two configurations of a queue different. Where and how big a worker is may differ from host to host.
POLICY: Final = (
    "max_attempts", "backoff", "timeout_s", "grace_s", "max_stalls", "max_crashes", "result_ttl_s", "keep_finished",
    "dead_retention_s", "lease_s", "sweep_interval_s", "environment", "audit_retention_s",
)  # fmt: skip
HEALTH_HEAD: Final = "stormq.health."


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``n`` grants in any window of ``window_s`` seconds, over all queues and workers that share ``name``."""

    name: str
    n: int
    window_s: float


@dataclass(frozen=True, slots=True)
class Breaker:
    """Opens when one type of error has a share of at least ``rate`` of ``min_runs`` runs or more within ``window_s``.

    After ``open_s`` one job is let through as a probe: it closes the breaker, or opens it again.
    """

    rate: float = 0.5
    min_runs: int = 20
    window_s: float = 60.0
    open_s: float = 30.0


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """One queue. ``concurrency``, ``rate``, ``breaker``: None is no limit. ``slots``: of each worker, for it alone.

    ``place``: where it is written.
    """

    name: str
    settings: Settings
    place: str
    concurrency: int | None = None
    slots: int = 0
    rate: Rate | None = None
    breaker: Breaker | None = None
    audit_executions: bool = False

    def limits(self) -> dict[str, str | int]:
        """The fields of the transition `register`: what every claim and sweep is to observe."""
        fields: dict[str, str | int] = {
            "sweep_interval_us": int(self.settings.sweep_interval_s * 1e6),
            "lease_us": int(self.settings.lease_s * 1e6),
        }
        if self.audit_executions:
            fields["audit_executions"] = "1"
        if self.concurrency is not None:
            fields["concurrency"] = self.concurrency
        if self.rate:
            fields |= {
                "rate_name": self.rate.name,
                "rate_n": self.rate.n,
                "rate_window_us": int(self.rate.window_s * 1e6),
            }
        if self.breaker:
            fields |= {
                "breaker_rate": repr(self.breaker.rate),
                "breaker_min_runs": self.breaker.min_runs,
                "breaker_window_us": int(self.breaker.window_s * 1e6),
                "breaker_open_us": int(self.breaker.open_s * 1e6),
            }
        return fields

    def digest(self) -> str:
        """Equal for equal policy and limits."""
        return digest_of(self.settings, self.limits())


def digest_of(settings: Settings, limits: Mapping[str, str | int] | None = None) -> str:
    """A short hash of a queue's policy, and of its limits."""
    values: dict[str, Any] = {name: value for name, value in asdict(settings).items() if name in POLICY}
    return hashlib.sha256(json.dumps([values, limits or {}], sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Config:
    """All of a file, with what environment and command line put over it.

    ``worker``: a worker's own settings. ``redis``: the file's table [redis]. ``archive``: where dead letters go ('':
    nowhere). ``shared_slots``: slots of a worker that serve all its queues, besides those that a queue has for itself.
    """

    version: int
    environment: str
    place: str
    worker: Settings
    queues: Mapping[str, QueueConfig]
    shared_slots: int
    redis: Mapping[str, object] = field(default_factory=dict, repr=False)  # it may hold a password
    archive: str = ""

    def settings_of(self, queue: str) -> Settings:
        """Settings of one queue. Raises ``SettingsError`` if the file does not name it."""
        self.check_names([queue])
        return self.queues[queue].settings

    def check_names(self, names: Sequence[str]) -> None:
        """Raise ``SettingsError`` for every name that is none of its queues."""
        unknown = [
            f"{self.place}: queue {name!r} is not configured; {meant(name, self.queues)}"
            for name in names
            if name not in self.queues
        ]
        if unknown:
            raise SettingsError(unknown)

    def layout(self, names: Sequence[str], health: Sequence[str] = ()) -> tuple[tuple[str, ...], ...]:
        """For each slot of a worker of these queues, what it serves: reserved slots, shared ones, one for health."""
        reserved = [(name,) for name in names for _ in range(self.queues[name].slots)]
        return (*reserved, *((tuple(names),) * self.shared_slots), *((tuple(health),) if health else ()))


def health_queues(version: int, worker: str = "") -> tuple[str, ...]:
    """Where a worker of this version takes health jobs: one queue for all of them, one for the worker of this name."""
    shared = f"{HEALTH_HEAD}v{version}"
    return (shared, f"{shared}.{worker}") if worker else (shared,)
