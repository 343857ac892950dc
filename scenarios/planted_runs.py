"""Planted bugs through the catalogue: what is to be run, in which order, and the rows that are kept of it."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from reports.run_record import RecordError, load
from scenarios.children import Child, side_by_side
from scenarios.planted import PLANTED, PlantedBug
from scenarios.planted_rows import REFERENCE, Row, rows_of

SCENARIO_S_MAX: Final = 240.0
SAID_MAX: Final = 400


@dataclass(frozen=True, slots=True)
class Batch:
    """Scenarios of one target, one after another in one process. ``seed`` of load and faults."""

    target: str
    scenarios: tuple[str, ...]
    seed: int

    @property
    def command(self) -> list[str]:
        """Without a folder for the results."""
        label = str(PLANTED[self.target].adapter) if self.target in PLANTED else self.target
        named = [word for name in self.scenarios for word in ("--scenario", name)]
        return ["run", "--target", label, *named, "--seed", str(self.seed)]


def batches(bugs: Sequence[PlantedBug], scenarios: Sequence[str], seed: int, done: Iterable[Row]) -> list[Batch]:
    """What is still to be run: each bug where it is expected first, then the unmodified queue, then all the rest.

    So an interrupted run has what tells most.
    """
    over = {row.key for row in done if not row.error}
    first = [(bug.name, [bug.scenario] if bug.scenario in scenarios else []) for bug in bugs]
    rest = [(bug.name, [name for name in scenarios if name != bug.scenario]) for bug in bugs]
    found = []
    for target, names in (*first, (REFERENCE, list(scenarios)), *rest):
        left = tuple(name for name in names if (target, name, seed) not in over)
        if left:
            found.append(Batch(target, left, seed))
    return found


def run(plan: Sequence[Batch], at_once: int, out: Path, told: Callable[[Batch, list[Row]], None]) -> None:
    """All of them, ``at_once`` at a time, each in a folder of its own below ``out``; ``told`` hears of each.

    Histories are kept where a bug was not found by its checker, where the unmodified queue did not pass, and where the
    harness failed.
    """
    side_by_side([partial(_Run, batch, out) for batch in plan], at_once, lambda run: told(run.batch, list(run.rows())))


class _Run(Child):
    def __init__(self, batch: Batch, out: Path) -> None:
        self.batch = batch
        folder = out / batch.target / ("all" if len(batch.scenarios) > 1 else batch.scenarios[0])
        super().__init__(batch.command, folder, SCENARIO_S_MAX * len(batch.scenarios))

    def rows(self) -> Iterator[Row]:
        """What it came to."""
        try:
            (path,) = self.folder.glob("*-*/run.json")
            found = list(rows_of(load(path), self.batch.target, path.parent))
        except (ValueError, RecordError, OSError) as error:
            said = " ".join(self.log.read_text(errors="replace").split())[-SAID_MAX:] or str(error)
            why = f"exit code {self.process.returncode}: {said}"
            target, seed = self.batch.target, self.batch.seed
            for name in self.batch.scenarios:
                yield Row(target=target, scenario=name, seed=seed, verdict="none", error=why, folder=str(self.folder))
            return
        yield from found
        for row in found:
            if not _keeps(row):
                for history in path.parent.glob(f"*/{row.scenario}"):
                    shutil.rmtree(history)


def _keeps(row: Row) -> bool:
    if row.target == REFERENCE:
        return row.verdict not in {"pass", "not applicable"}
    bug = PLANTED[row.target]
    return bool(row.error) or (row.scenario == bug.scenario and bug.caught_by not in row.found)
