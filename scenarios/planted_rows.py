"""What a run of planted bugs leaves: a JSON object a line for each scenario, so that an interrupted run can go on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from reports.run_record import RunRecord
from reports.verdict import Verdict
from scenarios.planted import PlantedBug
from scenarios.row_file import RowFile

REFERENCE: Final = "reference"
"""The queue without a bug, by the name under which it stands in a row's ``target``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One scenario on one target. ``found``: findings of broken promises by checker, each counted in full.

    ``missed``: objectives. ``error``: what of the harness failed, and so kept the run from being judged ('': nothing).
    """

    target: str
    scenario: str
    seed: int
    verdict: str
    found: Mapping[str, int] = field(default_factory=dict)
    missed: Sequence[str] = ()
    why: str = ""
    error: str = ""
    folder: str = ""
    servers: Sequence[str] = ()

    @property
    def key(self) -> tuple[str, str, int]:
        """What was run."""
        return self.target, self.scenario, self.seed


def rows_of(record: RunRecord, target: str, folder: Path) -> Iterator[Row]:
    """A row for each scenario of the record's only part."""
    for run in record.parts[0].scenarios:
        found = {check.name: check.findings for check in run.checkers if check.findings}
        yield Row(
            target=target,
            scenario=run.name,
            seed=record.seed,
            verdict=str(run.verdict),
            found={finding.checker: found[finding.checker] for finding in run.findings if finding.checker in found},
            missed=tuple(result.text for result in run.objectives if result.verdict is Verdict.FAIL),
            why=run.why[0] if run.why else "",
            error=run.error,
            folder=str(folder),
            servers=tuple(f"{server.name} {server.version}" for server in record.servers),
        )


def rows_in(path: Path) -> RowFile[Row]:
    """The file in which they are kept."""
    return RowFile(path, lambda data: Row(**data))


@dataclass(frozen=True, slots=True)
class Catch:
    """What became of a bug: in which scenarios which checker found it."""

    bug: PlantedBug
    by: Mapping[str, Sequence[str]]
    runs: int

    @property
    def right(self) -> bool:
        """Whether the checker that must find it did."""
        return self.bug.caught_by in self.by

    @property
    def verdict(self) -> str:
        """``yes``; ``wrong checker``; ``no``."""
        return "yes" if self.right else "wrong checker" if self.by else "no"


def catch_of(bug: PlantedBug, rows: Iterable[Row]) -> Catch:
    """From the rows of all targets."""
    mine = [row for row in rows if row.target == bug.name]
    checkers = sorted({checker for row in mine for checker in row.found})
    return Catch(bug, {name: [row.scenario for row in mine if name in row.found] for name in checkers}, len(mine))
