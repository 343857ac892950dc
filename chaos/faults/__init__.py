"""Faults: what breaks. One file a fault; registered by name in ``registry.py``.

A fault *fired* only when a client of the system was seen to be affected; that is what ``evidence`` looks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal, Protocol, runtime_checkable

from chaos.causes import Cause
from chaos.environment import Environment

Effect = Literal["cut", "slow", "freeze", "store_down", "kill"]
"""What a fault does to the workers that it hits: a blocking cut of their link, a slow link, a stop, a dead process."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was seen to be affected: ``subject`` is a worker's name, ``producer`` or ``store``."""

    subject: str
    says: str


@dataclass(frozen=True, slots=True)
class Injection:
    """What ``inject`` did and ``evidence`` and ``heal`` need to know. ``at_ns`` is monotonic, taken before the call."""

    at_ns: int
    workers: tuple[str, ...]
    state: Mapping[str, object] = field(default_factory=dict)


@runtime_checkable
class Fault(Protocol):
    """One thing that breaks. Frozen data: a scenario declares it, the schedule calls it."""

    @property
    def name(self) -> str:
        """For the report: ``kill tree``, ``redis down``."""

    @property
    def effect(self) -> Effect:
        """What it does to a worker that it hits."""

    @property
    def needs(self) -> frozenset[str]:
        """Abilities of the target without which the fault is not applicable."""

    @property
    def explains(self) -> frozenset[Cause]:
        """Which repeats of a job it may cause."""

    @property
    def for_s(self) -> float:
        """Seconds from injection until it is healed."""

    def inject(self, env: Environment, rng: Random) -> Injection:
        """Break it."""

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:
        """Who was seen to be affected; empty: it did not fire. Called just before ``heal``."""

    def heal(self, env: Environment, injection: Injection) -> None:
        """Mend it: idempotent, bounded, always called."""
