"""Settings of a worker and of its queues: frozen data, checked as a whole."""

from dataclasses import dataclass, field
from typing import Final

from .backoff import Backoff
from .errors import SettingsError

TIMEOUT_S_MIN: Final = 0.01
TIMEOUT_S_MAX: Final = 30 * 86400.0
DAY_S: Final = 86400.0
YEARS_S: Final = 10 * 365 * DAY_S


@dataclass(frozen=True, slots=True)
class Settings:
    """All times in seconds. Raises ``SettingsError`` naming every problem.

    max_attempts, max_crashes, max_stalls: how many of each make a job a dead letter (see ``events``).
    timeout_s: soft timeout, an exception in the body; grace_s: after as much again its slot is killed.
    lease_s: how long a job stays a slot's without a heartbeat; heartbeat_s: time between heartbeats; margin_s: how much
    before the lease's end a worker that can't renew kills its slots (None: a tenth of the lease).
    sweep_interval_s: between looks for leases that ended. poll_s: longest wait for a wake-up token.
    result_ttl_s: how long a finished job and its result are kept (-1: for good). window_s: how long a repeated enqueue
    is known as such. enqueue_timeout_s: how long an enqueue keeps trying. drain_s: how long running jobs have when the
    worker is asked to stop. slots: bodies that run at once. preload: modules that each slot imports before it is ready.
    environment: its name ("production"), told with each failure. clean_interval_s: between looks for what may go.
    keep_finished: at most so many finished jobs of a queue are kept (None: all, for as long as their results).
    dead_retention_s, audit_retention_s: how long dead letters and audit entries are kept.
    """

    max_attempts: int = 3
    backoff: Backoff = field(default_factory=Backoff)
    timeout_s: float = 180.0
    grace_s: float = 5.0
    lease_s: float = 15.0
    heartbeat_s: float = 4.0
    margin_s: float | None = None
    sweep_interval_s: float = 1.0
    poll_s: float = 1.0
    max_stalls: int = 3
    max_crashes: int = 3
    result_ttl_s: int = 500
    window_s: float = 60.0
    enqueue_timeout_s: float = 5.0
    drain_s: float = 10.0
    slots: int = 1
    preload: tuple[str, ...] = ()
    environment: str = ""
    clean_interval_s: float = 30.0
    keep_finished: int | None = None
    dead_retention_s: float = 90 * DAY_S
    audit_retention_s: float = 365 * DAY_S

    def __post_init__(self) -> None:
        """Raise ``SettingsError`` with everything that is wrong."""
        problems = [*self._out_of_range(), *self._at_odds()]
        if problems:
            raise SettingsError(problems)

    @property
    def fence_after_s(self) -> float:
        """After how long without an acknowledged renewal a worker kills its slots (rule 6)."""
        return self.lease_s - (self.lease_s / 10 if self.margin_s is None else self.margin_s)

    @property
    def io_timeout_s(self) -> float:
        """How long a worker waits for one answer of Redis: a second try must fit in before it fences itself."""
        return max(0.05, self.lease_s / 4)

    def _out_of_range(self) -> list[str]:
        allowed: list[tuple[str, float, float, float]] = [
            ("max_attempts", self.max_attempts, 1, 100_000),
            ("max_crashes", self.max_crashes, 1, 100_000),
            ("max_stalls", self.max_stalls, 1, 100_000),
            ("slots", self.slots, 1, 256),
            ("timeout_s", self.timeout_s, TIMEOUT_S_MIN, TIMEOUT_S_MAX),
            ("grace_s", self.grace_s, 0.05, 86400),
            ("lease_s", self.lease_s, 0.2, 86400),
            ("heartbeat_s", self.heartbeat_s, 0.05, 86400),
            ("sweep_interval_s", self.sweep_interval_s, 0.05, 3600),
            ("poll_s", self.poll_s, 0.05, 60),
            ("result_ttl_s", self.result_ttl_s, -1, YEARS_S),
            ("window_s", self.window_s, 1, 7 * 86400),
            ("enqueue_timeout_s", self.enqueue_timeout_s, 0.05, 600),
            ("drain_s", self.drain_s, 0, 86400),
            ("clean_interval_s", self.clean_interval_s, 0.05, 86400),
            ("keep_finished", self.keep_finished or 0, 0, 10_000_000),
            ("dead_retention_s", self.dead_retention_s, 60, YEARS_S),
            ("audit_retention_s", self.audit_retention_s, 60, YEARS_S),
        ]
        return [
            f"{name} is {value:g}; allowed: {least:g} to {most:g}"
            for name, value, least, most in allowed
            if not least <= value <= most
        ]

    def _at_odds(self) -> list[str]:
        problems = []
        if self.heartbeat_s > self.lease_s / 3:
            problems.append(
                f"heartbeat_s is {self.heartbeat_s:g}; allowed: a third of lease_s ({self.lease_s / 3:.3g}) or less,"
                " so that one lost heartbeat ends no lease"
            )
        if self.margin_s is not None and not 0 < self.margin_s <= self.lease_s / 2:
            problems.append(
                f"margin_s is {self.margin_s:g}; allowed: above 0, up to half of lease_s ({self.lease_s / 2:.3g})"
            )
        if self.poll_s > self.lease_s / 2:
            problems.append(f"poll_s is {self.poll_s:g}; allowed: half of lease_s ({self.lease_s / 2:.3g}) or less")
        if self.enqueue_timeout_s > self.window_s / 2:
            problems.append(
                f"enqueue_timeout_s is {self.enqueue_timeout_s:g}; allowed: half of window_s ({self.window_s / 2:.3g})"
                " or less, so that every try falls into the window"
            )
        return problems
