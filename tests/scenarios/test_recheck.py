"""``stormproof check``: a stored campaign is judged again, whole, and what has changed since is said."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from stormproof_target import ABILITIES, Description

from reports.run_record import Part, RunRecord, ScenarioRun, dump
from scenarios.checkers import Finding, Judged
from scenarios.checkers import registry as registered
from scenarios.cli import main
from scenarios.exit_codes import Exit
from scenarios.fit import fit
from scenarios.history import History
from scenarios.history_stored import CohortWriter
from scenarios.metrics import Metrics
from scenarios.recheck import Scenarios, replayed, stored_history
from scenarios.record import Circumstances, record
from scenarios.registered import ScenarioFileError
from scenarios.scenario import Scenario
from tests.reports import sample
from tests.scenarios.histories import PROMISE, SCENARIO, Lines, acked, canary, history, run, state, target

pytestmark = pytest.mark.unit

FILE: Final = """
from loadtests.arrivals import constant
from scenarios.scenario import Scenario
from stormproof_target.spec import succeeds
TABLE = Scenario(name="table", claim="It holds.", stands_for="this test", objectives=["lost == 0"],
                 load=constant(rate_s=10, for_s=1, jobs={succeeds(): 1}), reach=["runs >= 1"])
"""
DONE: Final = (target(), *(canary(n, n / 2) for n in range(1, 200)), acked("j", 0), run("j", 0.1, 0.2),
               state("j", "finished"))  # fmt: skip
Store = Callable[..., Path]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Store a campaign of one scenario, as a run leaves it."""

    def write(*lines: Lines, scenario: Scenario = SCENARIO, file: str = "scenario.py") -> Path:
        (tmp_path / file).write_text(FILE)
        told = history(*lines)
        path = tmp_path / "reference" / "table" / "history.parquet"
        path.parent.mkdir(parents=True)
        told.write_parquet(path)
        known = replace(scenario, name="table", claim="It holds.", objectives=["lost == 0"], reach=["runs >= 1"])
        description = Description("reference", "1", PROMISE, frozenset(ABILITIES), slots_per_worker=2)
        fitted = fit(known, description)
        circumstances = Circumstances(description, fitted, 3, "reference", str(tmp_path / file))
        one = record(told, [], circumstances, Metrics(told, PROMISE, fitted.scenario))
        (tmp_path / "run.json").write_text(dump(campaign(one)))
        return tmp_path

    return write


def campaign(one: ScenarioRun) -> RunRecord:
    whole = sample.single()
    part: Part = replace(
        whole.parts[0], scenarios=(one,), verdict=one.verdict, objectives=(), metrics=(), expected=(one.verdict,)
    )
    return replace(whole, parts=(part,))


def check(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["check", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_scenario_s_own_file_is_found_and_nothing_has_changed(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said, error = check(capsys, store(*DONE), "--scenario", "table")
    assert code == Exit.PASS, said + error
    assert "table: PASS" in said
    assert "nothing has changed" in said


def test_a_new_finding_is_told_and_is_the_exit_code(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store(*DONE)
    found = Judged(1, (Finding("lost acknowledgement", "j", 0, "It is gone."),), 1)
    strict = replace(registered.CHECKERS["lost"], check=lambda *_: found)
    monkeypatch.setitem(registered.CHECKERS, "lost", strict)
    code, said, _ = check(capsys, folder)
    assert code == Exit.FAIL
    assert "changed: verdict fail, stored was pass" in said
    assert "changed: checker lost: fail, 1 findings, 0 undecided; stored were pass, 0, 0" in said
    assert "why: It is gone." in said


def test_objectives_and_situations_are_judged_again(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(*DONE)
    text = (
        (folder / "scenario.py").read_text().replace("lost == 0", "unfinished == 7").replace("runs >= 1", "runs >= 9")
    )
    (folder / "scenario.py").write_text(text)
    code, said, _ = check(capsys, folder)
    assert code == Exit.FAIL
    assert "changed: objective unfinished == 7: fail, stored was none" in said
    assert "changed: situation runs >= 9: 1, stored was not asked for" in said


def test_a_scenario_that_is_another_one_today_is_said(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(*DONE)
    (folder / "scenario.py").write_text(FILE.replace("rate_s=10", "rate_s=20"))
    _, said, _ = check(capsys, folder)
    assert "note: the scenario has other jobs or faults today" in said


def test_the_policy_s_objectives_over_all_are_judged_again(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    _, said, _ = check(capsys, store(*DONE))
    assert "changed: objective Oldest unresolved dead letter: not judged, stored was none" in said


def test_a_file_that_is_gone_can_be_named_anew(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(*DONE)
    (folder / "scenario.py").rename(folder / "elsewhere.py")
    code, _, error = check(capsys, folder)
    assert (code, "scenario.py" in error) == (Exit.USAGE, True)
    assert check(capsys, folder, "--file", folder / "elsewhere.py", "--scenario", "table")[0] == Exit.PASS


def test_a_history_that_can_t_be_read_is_no_pass(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(*DONE)
    (folder / "reference" / "table" / "history.parquet").write_bytes(b"torn")
    code, _, error = check(capsys, folder)
    assert (code, "history.parquet" in error) == (Exit.HARNESS, True)


def test_a_scenario_that_the_run_did_not_have_is_told_with_those_that_it_had(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = check(capsys, store(*DONE), "--scenario", "luck")
    assert (code, "there are table" in error) == (Exit.HARNESS, True)


def test_a_life_is_told_with_its_causes(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(*DONE, run("j", 5, 5.1))
    code, said, _ = check(capsys, folder, "--explain", "j")
    assert code == Exit.PASS
    assert "run 2 follows run 1 because: none of the seven causes holds" in said
    assert check(capsys, folder, "--explain", "nobody")[0] == Exit.HARNESS


def test_a_life_is_told_though_the_scenario_s_file_is_gone(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(*DONE)
    (folder / "scenario.py").unlink()
    assert "run 1 ended well" in check(capsys, folder, "--explain", "j")[1]


def test_where_a_campaign_keeps_what(tmp_path: Path) -> None:
    one = replace(sample.rq_part().scenarios[0], name="steady", replay="stormproof run --target a/b.py@x --seed 3")
    assert replayed(one, "--target") == "a/b.py@x"
    assert replayed(one, "--file") == ""
    assert stored_history(tmp_path, one) == tmp_path / "b" / "steady" / "history.parquet"
    assert Scenarios(None).of(one).name == "steady"
    with pytest.raises(ScenarioFileError, match="no scenario of this name in the catalogue"):
        Scenarios(None).of(replace(one, name="luck"))


def test_a_history_in_cohorts_is_judged_by_its_checkers(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(*DONE)
    path = folder / "reference" / "table" / "history.parquet"
    told = History.read_parquet(path.rename(folder / "whole.parquet"))
    writer = CohortWriter(path, 2)
    writer.add(told.frames)
    writer.close(told.header, told.torn)
    code, said, error = check(capsys, folder)
    assert code == Exit.PASS, said + error
    assert "note: checkers only" in said
    assert "lost          examined 1," in said
