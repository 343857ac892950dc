"""The catalogue: every file of it is a whole scenario, registered under its own name."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
from stormproof_target import Policy, Setup

from scenarios import catalog
from scenarios.catalog import CATALOG
from scenarios.runner import STALLED_S_MAX
from scenarios.scenario import Scenario
from scenarios.validation import errors
from system.targets.reference import ReferenceTarget

pytestmark = pytest.mark.unit

FILES = sorted(path.stem for path in Path(catalog.__file__).parent.glob("*.py") if path.stem != "__init__")


def test_every_file_is_registered_and_nothing_else() -> None:
    assert sorted(CATALOG) == FILES


@pytest.mark.parametrize("name", FILES)
def test_no_entry_is_empty(name: str) -> None:
    module = importlib.import_module(f"scenarios.catalog.{name}")
    scenario = CATALOG[name]
    assert [value for value in vars(module).values() if isinstance(value, Scenario)] == [scenario]
    assert module.__doc__
    assert list(errors(scenario)) == []
    assert scenario.reach, "a verdict that needs nothing to have happened says nothing"
    assert any(text.startswith("lost ") for text in scenario.objectives)
    assert scenario.load.count >= 40
    assert scenario.stands_for.startswith(("audit ", "rq/"))


@pytest.mark.parametrize("name", FILES)
def test_a_reader_sees_it_in_one_screen(name: str) -> None:
    lines = Path(catalog.__file__).with_name(f"{name}.py").read_text("utf-8").splitlines()
    assert len(lines) <= 60


def test_queues_and_limits_that_make_no_sense_are_all_told_at_once() -> None:
    scenario = replace(
        CATALOG["five_queues"],
        queues=("email", "a b"),
        policy=replace(Policy(), concurrency=0, rate_n=0, rate_window_s=0.0),
    )
    assert list(errors(scenario)) == [
        "queues: 'a b'; one or more of letters, digits and _ . : - are needed",
        *(
            f"load: sends to queue {queue!r}; no worker serves it, only email, a b"
            for queue in ("backup", "document-processing", "notifications", "reports")
        ),
        "policy.concurrency: 0 is not 1 or more, or None for no limit",
        "policy.rate_n: 0 is not 1 or more, or None for no limit",
        "policy.rate_window_s: 0 is not above 0",
    ]
    assert next(iter(errors(replace(scenario, queues=())))).startswith("queues: none;")


@pytest.mark.parametrize("name", FILES)
def test_a_job_that_never_comes_back_can_be_called_stranded(name: str) -> None:
    """Who stops waiting before the promised recovery is over, stalls of the host taken off, finds none."""
    scenario = CATALOG[name]
    promised = ReferenceTarget(Setup(policy=scenario.policy, slots=scenario.workers.slots)).promise()
    assert scenario.settle_s > promised.recovery_s + STALLED_S_MAX
