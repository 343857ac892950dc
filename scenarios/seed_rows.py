"""What ``stormproof seeds`` keeps of a seed: one row, a JSON object a line, appended as it comes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from reports.run_record import RunRecord, ScenarioRun
from reports.verdict import Verdict
from scenarios.row_file import RowFile

Ending = Literal["pass", "slower", "inconclusive", "not applicable", "fail", "harness error"]
ENDINGS: Final[tuple[Ending, ...]] = ("pass", "slower", "inconclusive", "not applicable", "fail", "harness error")
"""How a scenario's run ended. ``fail``: a checker found something, which on the reference is a false alarm, or a bug
of the reference. ``slower``: no finding, an objective missed. ``harness error``: it was not judged."""


@dataclass(frozen=True, slots=True)
class Odd:
    """A run that did not pass: its scenario, how it ended, and the weightiest reason."""

    scenario: str
    ending: Ending
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One seed. ``examined`` and ``undecided`` add up over all checkers; ``found``: findings by checker.

    ``host_stall_s``: time in which the machine did not let processes run. ``error``: the campaign itself ended without
    a record ('': it did not).
    """

    seed: int
    hog: bool
    at: str = ""
    seconds: float = 0.0
    cpus: int = 0
    servers: tuple[str, ...] = ()
    scenarios: int = 0
    jobs: int = 0
    runs: int = 0
    repeats_explained: int = 0
    examined: int = 0
    undecided: int = 0
    faults_fired: int = 0
    faults_planned: int = 0
    host_stall_s: float = 0.0
    found: Mapping[str, int] = field(default_factory=dict)
    endings: Mapping[Ending, int] = field(default_factory=dict)
    odd: tuple[Odd, ...] = ()
    error: str = ""

    @property
    def judged(self) -> int:
        """Scenario runs that the checkers looked at."""
        return self.scenarios - self.endings.get("harness error", 0) - self.endings.get("not applicable", 0)

    @property
    def keeps_logs(self) -> bool:
        """Whether somebody will want to look closer."""
        return bool(self.found or self.error or self.endings.get("harness error"))


def row_of(record: RunRecord, seed: int, *, hog: bool) -> Row:
    """The row of a campaign that has one part."""
    runs = record.parts[0].scenarios
    checks = [check for run in runs for check in run.checkers]
    found: Counter[str] = Counter()
    for check in checks:
        found[check.name] += check.findings
    faults = [fault for run in runs for fault in run.faults]
    endings = [(run, ending_of(run)) for run in runs]
    return Row(
        seed=seed,
        hog=hog,
        at=record.started,
        seconds=round(record.duration_s, 1),
        cpus=record.host.cpus,
        servers=(
            *(f"{server.name} {server.version}" for server in record.servers),
            f"Python {record.host.python}",
        ),
        scenarios=len(runs),
        jobs=sum(run.load.acknowledged for run in runs),
        runs=sum(run.runs for run in runs),
        repeats_explained=sum(check.explained for check in checks if check.name == "duplicates"),
        examined=sum(check.examined for check in checks),
        undecided=sum(check.undecided for check in checks),
        faults_fired=sum(fault.fired for fault in faults),
        faults_planned=len(faults),
        host_stall_s=round(record.host_stall_s, 2),
        found={name: n for name, n in found.items() if n},
        endings=dict(Counter(ending for _, ending in endings)),
        odd=tuple(
            Odd(run.name, ending, run.why[0] if run.why else "")
            for run, ending in endings
            if ending not in {"pass", "not applicable"}
        ),
    )


def ending_of(run: ScenarioRun) -> Ending:
    """How one scenario's run ended."""
    if run.error:
        return "harness error"
    if any(check.findings for check in run.checkers):
        return "fail"
    other: Mapping[Verdict, Ending] = {
        Verdict.FAIL: "slower",
        Verdict.PASS: "pass",
        Verdict.NOT_APPLICABLE: "not applicable",
    }
    return other.get(run.verdict, "inconclusive")


def rows_in(path: Path) -> RowFile[Row]:
    """The file in which they are kept."""
    return RowFile(path, _row)


def _row(data: dict[str, Any]) -> Row:
    odd = tuple(Odd(**each) for each in data["odd"])
    return Row(**{**data, "servers": tuple(data["servers"]), "odd": odd})
