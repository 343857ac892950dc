"""When a fault strikes: at a time, or at a step of the load's progress. Pure data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chaos.faults import Fault


@dataclass(frozen=True, slots=True)
class At:
    """``s`` seconds after the load's start."""

    s: float

    def __str__(self) -> str:
        """As a report says it."""
        return f"at {self.s:g} s"

    def problems(self) -> Sequence[str]:
        """What is wrong with it."""
        return () if self.s >= 0 else (f"at(s={self.s:g}): a time from 0 on is needed",)

    def stretched(self, factor: float) -> "At":
        """The same moment of a load that is ``factor`` times as slow."""
        return At(self.s * factor)


@dataclass(frozen=True, slots=True)
class OnStarted:
    """When this share of the plan's jobs (0 < ``share`` <= 1) has started."""

    share: float

    def __str__(self) -> str:
        """As a report says it."""
        return f"when {self.share:.0%} of the jobs have started"

    def problems(self) -> Sequence[str]:
        """What is wrong with it."""
        return () if 0 < self.share <= 1 else (f"on(started={self.share:g}): a share above 0 and up to 1 is needed",)

    def stretched(self, factor: float) -> "OnStarted":  # noqa: ARG002  # progress stretches by itself
        """The same step of progress."""
        return self


Trigger = At | OnStarted


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault and its trigger."""

    fault: Fault
    trigger: Trigger

    def stretched(self, factor: float) -> "Planned":
        """For a load that is ``factor`` times as slow. The fault's length stays: leases do not stretch either."""
        return replace(self, trigger=self.trigger.stretched(factor))

    def label(self, number: int) -> str:
        """Its name in the ledger, unique in the scenario: ``kill_tree-3`` for the third planned fault (from 1)."""
        return f"{self.fault.name.replace(' ', '_')}-{number}"


class Plannable:
    """What lets a scenario say ``kill("slot").at(s=2.5)`` and ``kill("tree").on(started=0.75)``."""

    __slots__ = ()

    def at(self: Fault, s: float) -> Planned:
        """Strike ``s`` seconds after the load's start."""
        return Planned(self, At(s))

    def on(self: Fault, started: float) -> Planned:
        """Strike when this share of the plan's jobs has started."""
        return Planned(self, OnStarted(started))


def problems(faults: Sequence[Planned], load_s: float | None = None) -> list[str]:
    """All that is wrong with a schedule, each a sentence that names the fault. ``load_s``: how long the load lasts."""
    wrong = []
    for number, planned in enumerate(faults, 1):
        label = planned.label(number)
        wrong += [f"{label}: {each}" for each in (*planned.fault.problems(), *planned.trigger.problems())]
        if load_s is not None and isinstance(planned.trigger, At) and planned.trigger.s > load_s:
            wrong.append(f"{label}: at(s={planned.trigger.s:g}) is after the load's end at {load_s:g} s")
    return wrong
