"""Planted bugs: variants of the reference with one bug each, and the checker that must catch it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scenarios.campaign_plan import FAIL_EXPECTED, PartPlan
from scenarios.catalog import CATALOG
from scenarios.target_program import resolve

FOLDER: Final = Path(__file__).resolve().parent.parent / "tests" / "planted"


@dataclass(frozen=True, slots=True)
class PlantedBug:
    """``title`` says what is wrong, ``scenario`` of the catalogue shows it, the checker ``caught_by`` must find it."""

    name: str
    title: str
    scenario: str
    caught_by: str

    @property
    def adapter(self) -> Path:
        """Its program, as seen from here where that is shorter: it stands in the command that replays a run."""
        path = FOLDER / f"{self.name}.py"
        return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


PLANTED: Final = {
    bug.name: bug
    for bug in (
        PlantedBug("ack_before_run", "a job is acknowledged before it is run", "workers_killed", "lost"),
        PlantedBug("accept_and_drop", "every fiftieth enqueue is accepted and dropped", "steady", "lost"),
        PlantedBug("one_lease_too_many", "one lease more than the limit is given", "concurrency_limit", "concurrency"),
        PlantedBug("one_grant_too_many", "one job more than the rate is granted", "rate_limit", "rate"),
        PlantedBug("pause_ignored", "a paused queue goes on", "pause_resume", "control"),
        PlantedBug("dead_letter_dropped", "a job that failed for good is forgotten", "poison", "dead_letters"),
    )
}


def part_of(bug: PlantedBug) -> PartPlan:
    """The part of a campaign in which the bug must be caught."""
    return PartPlan(
        resolve(str(bug.adapter)),
        [CATALOG[bug.scenario]],
        kind="planted bug",
        expected=FAIL_EXPECTED,
        title=f"planted: {bug.title}",
        caught_by=bug.caught_by,
    )
