"""Faults: what breaks. One file a fault, all of one anatomy; registered by name in ``registry.py``.

    settings    frozen data, durations in seconds, told wrong by ``problems``
    inject      breaks it, and notes what evidence and heal will need; on an error it mends what it broke already
    evidence    looks, just before the heal, for clients of the system that were affected; none: it did not fire
    heal        mends it; may be called twice, and with anything dead

A fault *fired* only when a client was seen to be affected. That an API call returned is no evidence: a proxy can reset
connections that nobody has, and a process can be killed between two jobs.

To add one, copy ``redis_down.py``, change the four parts, and add a line to the registry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, Protocol, runtime_checkable

from chaos.causes import Cause
from chaos.environment import Environment

Effect = Literal[
    "cut", "slow", "freeze", "store_down", "refused", "forgotten", "kill", "pause", "cancel", "backup", "deploy"
]
"""What a fault does to those it hits: a blocking cut of their link, a slow link, a stop, a dead store or process.

A store may also have writes ``refused``, each with an answer that says so, or have ``forgotten`` what a client must be
able to tell it again; that excuses nobody. An operator's steps are planned, seen to take effect and taken back like
faults: ``pause`` stops a queue, ``cancel`` ends jobs, ``backup`` hits nobody, ``deploy`` replaces workers, which may
end what they run.
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was seen to be affected: ``subject`` is a worker's name, ``producer`` or ``store``."""

    subject: str
    says: str


@dataclass(frozen=True, slots=True)
class Injection:
    """What ``inject`` did. ``at_ns``: monotonic, before the first call that breaks anything; ``state``: its own."""

    at_ns: int
    state: object = None


@runtime_checkable
class Fault(Protocol):
    """One thing that breaks. Frozen data: a scenario declares it, the schedule calls it."""

    @property
    def name(self) -> str:
        """For the report: ``kill tree``, ``redis down``."""

    @property
    def effect(self) -> Effect:
        """What it does to a client that it hits."""

    @property
    def needs(self) -> frozenset[str]:
        """Abilities of the target without which the fault is not applicable."""

    @property
    def explains(self) -> frozenset[Cause]:
        """Which repeats of a job it may cause."""

    @property
    def for_s(self) -> float:
        """Seconds from injection until it is healed."""

    def problems(self) -> Sequence[str]:
        """What is wrong with its settings, each a sentence; empty: nothing."""

    def targets(self, env: Environment) -> Sequence[str]:
        """Clients that it may hit; empty: chosen when it is injected."""

    def inject(self, env: Environment, rng: Random) -> Injection:
        """Break it. Raises ``HarnessError`` with nothing left broken."""

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:
        """Who was seen to be affected; empty: it did not fire. Called just before ``heal``."""

    def heal(self, env: Environment, injection: Injection) -> None:
        """Mend it: idempotent, bounded, always called."""
