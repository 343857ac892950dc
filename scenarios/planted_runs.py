"""Runs planted bugs side by side, each run a process of its own: one that hangs or fails costs the others nothing."""

import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reports.run_record import RecordError, load
from scenarios.planted import PLANTED, PlantedBug
from scenarios.planted_rows import REFERENCE, Row, rows_of

CHILD: Final = "scenarios.seed_campaigns"  # `stormproof`, told to stop when the process that it is told of ends
POLL_S: Final = 0.2
SCENARIO_S_MAX: Final = 240.0
END_S: Final = 30.0
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
    waiting, running = deque(plan), list[_Child]()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(_Child(waiting.popleft(), out))
            for child in [each for each in running if each.over]:
                running.remove(child)
                told(child.batch, list(child.rows()))
            time.sleep(POLL_S)
    finally:
        for child in running:
            child.process.terminate()
        for child in running:
            child.end()


class _Child:
    def __init__(self, batch: Batch, out: Path) -> None:
        self.batch = batch
        self.folder = out.resolve() / batch.target / ("all" if len(batch.scenarios) > 1 else batch.scenarios[0])
        shutil.rmtree(self.folder, ignore_errors=True)  # of a run that was interrupted
        self.folder.mkdir(parents=True)
        self.log = self.folder / "campaign.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", CHILD, str(os.getpid()), *batch.command, "--out", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a terminal's Ctrl-C is ours to hand on, once
            )
        self.until_s = time.monotonic() + SCENARIO_S_MAX * len(batch.scenarios)

    @property
    def over(self) -> bool:
        """Whether it has ended; one that takes too long is ended here."""
        if self.process.poll() is None and time.monotonic() > self.until_s:
            self.process.terminate()
            self.end()
        return self.process.poll() is not None

    def end(self) -> None:
        """Wait until it has cleaned up."""
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

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
