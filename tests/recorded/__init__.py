"""Histories that the catalogue recorded on real queues, stored small: what metamorphic tests and mutations begin from.

``manifest.json`` says of each where it came from, and under which conditions it was judged, so that a
scenario that is changed later does not change what its old history is held to.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

from stormproof_target import Policy, Promise

from scenarios.catalog import CATALOG
from scenarios.history import History
from scenarios.scenario import Scenario, Workers

HERE: Final = Path(__file__).parent
MANIFEST: Final = HERE / "manifest.json"
CONDITIONS: Final = ("durability", "enqueue_deadline_s", "rest_s", "settle_s")
"""Fields of a scenario that a checker or a metric may ask for, beside its policy and workers."""


@dataclass(frozen=True)
class Recorded:
    """One stored history. ``seed``: of its load and faults; ``version``: of the target."""

    name: str
    target: str
    version: str
    seed: int
    scenario: Scenario

    @cached_property
    def history(self) -> History:
        """As it was recorded; nobody may change its frames."""
        return History.read_parquet(HERE / f"{self.name}.parquet")

    @cached_property
    def promise(self) -> Promise:
        """What the target had declared when it was recorded."""
        return Promise.from_dict(self.history.header.promise)


def conditions_of(scenario: Scenario) -> dict[str, Any]:
    """What the manifest keeps of a scenario."""
    kept = {name: getattr(scenario, name) for name in CONDITIONS}
    return {**kept, "policy": asdict(scenario.policy), "workers": asdict(scenario.workers)}


@lru_cache(maxsize=1)
def recorded() -> tuple[Recorded, ...]:
    """All of them, in order of their names. Raises ``ValueError`` naming every one whose scenario is no more."""
    entries = json.loads(MANIFEST.read_text(encoding="utf-8"))
    orphans = [name for name, entry in entries.items() if entry["scenario"] not in CATALOG]
    if orphans:
        raise ValueError(f"{MANIFEST}: no such scenario in the catalogue any more: {', '.join(orphans)}")
    return tuple(_recorded(entries))


def _recorded(entries: dict[str, dict[str, Any]]) -> Iterator[Recorded]:
    for name, entry in sorted(entries.items()):
        scenario = replace(
            CATALOG[entry["scenario"]],
            policy=Policy.from_dict(entry["policy"]),
            workers=Workers(**entry["workers"]),
            **{each: entry[each] for each in CONDITIONS},
        )
        yield Recorded(name, entry["target"], entry["version"], entry["seed"], scenario)
