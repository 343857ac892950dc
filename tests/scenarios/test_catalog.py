"""The catalogue: every file of it is a whole scenario, registered under its own name."""

import importlib
from pathlib import Path

import pytest

from scenarios import catalog
from scenarios.catalog import CATALOG
from scenarios.scenario import Scenario
from scenarios.validation import errors

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
