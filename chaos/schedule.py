"""Carries out a schedule: each fault at its trigger, seen to fire, and healed on every way out.

Injections follow one another; what they broke may be broken at the same time, each mended by a thread of its own. All
is told in the ledger as ``fault`` events: ``inject`` before anything breaks, naming whom it may hit (nobody: to be
chosen), ``fired`` with whom it was seen to hit, ``healed`` after it was mended.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from chaos.environment import Environment
from chaos.errors import HarnessError
from chaos.faults import Evidence, Injection
from chaos.planned import At, OnStarted, Planned, Trigger, problems

__all__ = ["At", "FaultResult", "OnStarted", "Planned", "ScheduleDriver", "Trigger", "problems"]

TICK_S: Final = 0.002
HEAL_TRIES: Final = 3
HEAL_PAUSE_S: Final = 0.2
TOLD_MAX: Final = 12  # pieces of evidence that a ledger line has room for
TOLD_CHARACTERS_MAX: Final = 120


@dataclass(frozen=True, slots=True)
class FaultResult:
    """One planned fault as it went; times in monotonic ns. ``injected_ns`` None: its trigger never came.

    ``workers``: whom it was seen to hit. ``error``: what went wrong with the fault itself ('': nothing); one that did
    not fire for want of evidence has none.
    """

    label: str
    kind: str
    effect: str
    trigger: str
    injected_ns: int | None = None
    healed_ns: int | None = None
    workers: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    error: str = ""

    @property
    def fired(self) -> bool:
        """Whether a client of the system was seen to be affected."""
        return bool(self.evidence)


class ScheduleDriver:
    """``start`` it with the load, ``stop`` it when no further fault is wanted; ``results`` are complete then."""

    def __init__(self, env: Environment, faults: Sequence[Planned], *, seed: int, jobs: int) -> None:
        """``jobs``: how many the load plans, for shares. Raises ``ValueError`` naming everything that is wrong."""
        if wrong := problems(faults):
            raise ValueError("; ".join(wrong))
        self.env, self.jobs = env, jobs
        self._flights = [_Flight(self, number, planned, seed) for number, planned in enumerate(faults, 1)]
        self._waiting = list(self._flights)
        self._stopping = threading.Event()
        self.order = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="schedule", daemon=True)
        self._begin_ns = self._started_before = 0

    def start(self, begin_ns: int | None = None) -> None:
        """The load's time zero is ``begin_ns`` (monotonic; None: now)."""
        self._begin_ns = time.monotonic_ns() if begin_ns is None else begin_ns
        self._started_before = self.env.view.first_started  # a warm-up's jobs are not the plan's
        self._thread.start()

    def stop(self) -> Sequence[FaultResult]:
        """Heal what is still broken, at once; inject nothing more. Idempotent, and right on every way out."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        for flight in self._flights:
            flight.join()
        return self.results

    @property
    def results(self) -> Sequence[FaultResult]:
        """One a planned fault, in the schedule's order, as it stands now."""
        return [flight.result for flight in self._flights]

    @property
    def active(self) -> Sequence[str]:
        """Labels of the faults that are being injected or not yet healed."""
        return [flight.label for flight in self._flights if flight.is_active]

    @property
    def waiting(self) -> Sequence[str]:
        """Labels of the faults whose trigger has not come."""
        return [flight.label for flight in self._waiting]

    @property
    def done(self) -> bool:
        """Whether every planned fault was injected and healed."""
        return not self._waiting and not self.active

    def check(self) -> None:
        """Raise ``HarnessError`` if a fault could not be injected or healed."""
        if wrong := [f"{result.label}: {result.error}" for result in self.results if result.error]:
            raise HarnessError("; ".join(wrong))

    @property
    def stopping(self) -> threading.Event:
        """Set when what is broken shall be healed at once."""
        return self._stopping

    def _run(self) -> None:
        while self._waiting and not self._stopping.wait(TICK_S):
            for flight in [each for each in self._waiting if self._is_due(each.planned.trigger)]:
                flight.start()
                self._waiting.remove(flight)

    def _is_due(self, trigger: Trigger) -> bool:
        if isinstance(trigger, At):
            return time.monotonic_ns() - self._begin_ns >= trigger.s * 1e9
        return self.env.view.first_started - self._started_before >= trigger.share * self.jobs


class _Flight:
    """One planned fault on its way from inject to heal, in a thread of its own."""

    def __init__(self, driver: ScheduleDriver, number: int, planned: Planned, seed: int) -> None:
        self.driver, self.planned, self.label = driver, planned, planned.label(number)
        self.rng = Random(f"{seed}-{number}")  # a replay picks alike, whatever the other faults drew
        fault = planned.fault
        self.result = FaultResult(self.label, fault.name, fault.effect, str(planned.trigger))
        self._thread = threading.Thread(target=self._run, name=self.label, daemon=True)

    @property
    def is_active(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            with self.driver.order:
                self._tell("inject", workers=self.planned.fault.targets(self.driver.env))
                injection = self.planned.fault.inject(self.driver.env, self.rng)
        except Exception as error:  # noqa: BLE001  # whatever it is, the verdict must know
            self._note(error=f"not injected: {type(error).__name__}: {error}")
            return
        self._note(injected_ns=injection.at_ns)
        try:
            self.driver.stopping.wait(self.planned.fault.for_s)
            self._look(injection)
        except Exception as error:  # noqa: BLE001  # as above
            self._note(error=f"no evidence: {type(error).__name__}: {error}")
        finally:
            self._heal(injection)

    def _look(self, injection: Injection) -> None:
        found = self.planned.fault.evidence(self.driver.env, injection)
        if not found:
            return
        hit = tuple(dict.fromkeys(each.subject for each in found if each.subject in self.driver.env.links))
        self._note(workers=hit, evidence=tuple(each.says for each in found))
        self._tell("fired", workers=hit, at_ns=injection.at_ns, n=len(found), evidence=_short(found))

    def _heal(self, injection: Injection) -> None:
        for left in reversed(range(HEAL_TRIES)):
            try:
                self.planned.fault.heal(self.driver.env, injection)
                healed_ns = self._tell("healed", workers=self.result.workers, at_ns=injection.at_ns)
            except Exception as error:  # noqa: BLE001  # as above; and what is broken must not stay so
                if not left:
                    self._note(error=f"not healed: {type(error).__name__}: {error}")
                time.sleep(HEAL_PAUSE_S)
            else:
                self._note(healed_ns=healed_ns)
                return

    def _note(self, **changes: Any) -> None:  # noqa: ANN401  # fields of the result
        self.result = replace(self.result, **changes)

    def _tell(self, phase: str, *, workers: Sequence[str], **fields: Any) -> int:  # noqa: ANN401  # a ledger line's
        fault = self.planned.fault
        return self.driver.env.tell(
            "fault",
            fault=self.label,
            kind=fault.name,
            effect=fault.effect,
            phase=phase,
            workers=list(workers),
            **fields,
        )


def _short(found: Sequence[Evidence]) -> list[str]:
    return [each.says[:TOLD_CHARACTERS_MAX] for each in found[:TOLD_MAX]]
