"""What is stored is small, whole, lawful, and says where it came from."""

from dataclasses import asdict
from pathlib import Path

import pytest

import tests.recorded as stored
from scenarios.catalog import CATALOG
from scenarios.judge import judge
from tests.recorded import HERE, Recorded, recorded
from tests.recorded.record import BYTES_MAX, small

pytestmark = pytest.mark.unit


def test_the_manifest_names_the_files_that_are_there() -> None:
    assert sorted(path.stem for path in HERE.glob("*.parquet")) == [each.name for each in recorded()]
    assert all((HERE / f"{each.name}.parquet").stat().st_size <= BYTES_MAX for each in recorded())


def test_each_scenario_of_the_catalogue_has_a_history_of_the_reference() -> None:
    lacking = set(CATALOG) - {each.scenario.name for each in recorded() if each.target == "reference"}
    assert lacking == set(), "run it, then: python -m tests.recorded.record out/<run> NAME"


@pytest.mark.parametrize("each", recorded(), ids=lambda each: each.name)
def test_no_checker_finds_anything_in_it_and_it_can_be_made_no_smaller_by_names(each: Recorded) -> None:
    judgement = judge(each.history, each.promise, each.scenario)
    assert judgement.failed == ()
    assert [check.error for check in judgement.checkers if check.error] == []
    again = judge(small(each.history), each.promise, each.scenario)
    assert [(check.name, check.judged) for check in again.checkers if check.name != "lost"] == [
        (check.name, check.judged) for check in judgement.checkers if check.name != "lost"
    ]


def test_it_is_held_to_the_conditions_that_it_was_recorded_under() -> None:
    steady = next(each for each in recorded() if each.name == "reference-steady")
    assert steady.scenario.policy == CATALOG["steady"].policy
    assert asdict(steady.scenario.workers) == {"processes": 2, "slots": 2}
    assert steady.version
    assert steady.history.header.name == "reference"


def test_a_history_whose_scenario_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text('{"reference-x": {"scenario": "no such one"}}', encoding="utf-8")
    monkeypatch.setattr(stored, "MANIFEST", manifest)
    with pytest.raises(ValueError, match="no such scenario in the catalogue any more: reference-x"):
        stored.recorded.__wrapped__()
