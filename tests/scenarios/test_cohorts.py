"""A long run judged cohort by cohort: of every history the same verdict as of the whole."""

import tempfile
from pathlib import Path
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stormproof_target import Promise

from scenarios import cohorts as by_cohorts
from scenarios.checkers import Finding, Judged
from scenarios.cohorts import judge_by_cohorts, judge_stored, merge
from scenarios.history import History, HistoryError
from scenarios.history_schema import COLUMNS
from scenarios.history_stored import CohortWriter
from scenarios.judge import Judgement, judge
from scenarios.scenario import Scenario
from tests.lawful.draws import draw_world
from tests.lawful.judging import scenario_of
from tests.lawful.play import Play
from tests.lawful.rules import RULES
from tests.scenarios.histories import PROMISE, SCENARIO, acked, history, run, state

pytestmark = pytest.mark.property


def stored(told: History, folder: Path, cohorts: int, seed: int) -> Path:
    """In two slices, of any events each, as ledgers come file after file."""
    writer = CohortWriter(folder, cohorts)
    chance = Random(seed)
    halves = {kind: pl.Series([chance.random() < 0.5 for _ in range(told.frames[kind].height)]) for kind in COLUMNS}
    for half in (halves, {kind: ~each if len(each) else each for kind, each in halves.items()}):
        writer.add({kind: frame.filter(half[kind]) if frame.height else frame for kind, frame in told.frames.items()})
    writer.close(told.header, told.torn)
    return folder


def said(judgement: Judgement) -> list[tuple[object, ...]]:
    return [(each.name, each.verdict, each.judged, each.why, each.error) for each in judgement.checkers]


@settings(max_examples=16, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["", *RULES]), st.integers(1, 4))
def test_cohorts_say_what_the_whole_says(seed: int, broken: str, cohorts: int) -> None:
    world = draw_world(seed, RULES[broken].wanting if broken else "")
    promise, scenario = world.promise, scenario_of(world)
    told = History.from_events(Play(world, broken).history())
    with tempfile.TemporaryDirectory() as folder:
        path = stored(told, Path(folder) / "history.parquet", cohorts, seed)
        assert said(judge_by_cohorts(path, promise, scenario)) == said(judge(told, promise, scenario))
        again = History.read_parquet(path)
        assert said(judge(again, promise, scenario)) == said(judge(told, promise, scenario))


def test_a_finding_of_one_cohort_is_found(tmp_path: Path) -> None:
    told = history(*(acked(f"j{n}", 0) for n in range(9)), *(run(f"j{n}", 1, 1.2) for n in range(9)),
                   run("j3", 2, 2.2), *(state(f"j{n}", "finished") for n in range(9)))  # fmt: skip
    path = stored(told, tmp_path / "history.parquet", 3, 1)
    assert judge_by_cohorts(path, PROMISE, SCENARIO).failed == ("duplicates",)


def test_the_first_findings_of_all_cohorts_are_shown_and_all_are_counted() -> None:
    def found(*at: int) -> Judged:
        return Judged(9, tuple(Finding("a", f"j{t}", t, "") for t in at), total=7, explained=1, undecided=2)

    both = merge([found(5, 9, 11), found(1, 2, 3)])
    assert [each.at_ns for each in both.findings] == [1, 2, 3, 5, 9]
    assert (both.examined, both.total, both.explained, both.undecided) == (18, 14, 2, 4)


def test_a_folder_that_was_never_closed_is_refused(tmp_path: Path) -> None:
    writer = CohortWriter(tmp_path / "history.parquet", 2)
    writer.add(history(acked("j", 0)).frames)
    with pytest.raises(HistoryError, match="not a stored history"):
        judge_by_cohorts(tmp_path / "history.parquet", PROMISE, SCENARIO)


def test_a_long_file_is_split_for_the_while_and_a_short_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = history(*(acked(f"j{n}", 0) for n in range(9)), *(run(f"j{n}", 1, 1.2) for n in range(9)), run("j3", 2, 2.2))
    told.write_parquet(tmp_path / "history.parquet")
    folders = []
    judged = judge_by_cohorts

    def seen(path: Path, promise: Promise, scenario: Scenario) -> Judgement:
        folders.append(path)
        return judged(path, promise, scenario)

    monkeypatch.setattr(by_cohorts, "judge_by_cohorts", seen)
    whole = said(judge_stored(tmp_path / "history.parquet", PROMISE, SCENARIO))
    assert not folders
    monkeypatch.setattr(by_cohorts, "LINES_MAX", told.lines // 2)
    monkeypatch.setattr(by_cohorts, "COHORT_LINES", told.lines // 2)
    assert said(judge_stored(tmp_path / "history.parquet", PROMISE, SCENARIO)) == whole
    assert len(folders) == 1
    assert not folders[0].exists()
