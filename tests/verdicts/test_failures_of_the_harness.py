"""What fails in one scenario costs no other its verdict, and what has no verdict says so.

finished scenarios are kept, recorded, reported; exit 4        test_the_others_are_judged_and_reported
a finding is not hidden by a failure elsewhere: exit 1         test_a_finding_outweighs_a_failure_elsewhere
a target that fails before anything ended: usage, exit 2       test_a_target_that_never_ran_is_no_campaign
a bug of ours is no verdict either                             test_a_bug_of_ours_is_told_as_one
a folder without a verdict says so                             test_a_folder_without_a_verdict_says_so
a load from outside that was smaller than due is refused       test_a_load_from_outside_must_be_as_large_as_was_due
"""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.errors import HarnessError
from chaos.pulse import LOOKS_MIN, SILENT_S_MAX, Pulses
from reports.run_record import load
from reports.verdict import Verdict
from scenarios import suite
from scenarios.campaign_plan import CampaignPlan, PartPlan
from scenarios.commands.serve_load import ExternalLoad
from scenarios.exit_codes import Exit
from scenarios.history import HistoryError
from scenarios.progress import Quiet
from scenarios.runner import RunResult, ScenarioRunner
from scenarios.suite import UNFINISHED, CampaignResult, run_campaign
from scenarios.target_program import TargetError, resolve
from tests.verdicts.stage import SEED, SMALL

BROKEN = replace(SMALL, name="broken")


def fails_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """The scenario ``broken`` fails, whatever would have become of it, and ``dead`` for want of a target.

    All others run.
    """
    run = ScenarioRunner.run

    def failing(self: ScenarioRunner) -> RunResult:
        if self.scenario.name == "broken":
            raise error
        if self.scenario.name == "dead":
            raise TargetError("it does not listen any more")
        return run(self)

    monkeypatch.setattr(ScenarioRunner, "run", failing)


def campaign(out: Path, *scenarios: object) -> CampaignResult:
    chosen = PartPlan(resolve("reference"), list(scenarios))  # type: ignore[arg-type]
    return run_campaign(CampaignPlan([chosen], SEED, out, ""), Quiet())


def test_the_others_are_judged_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(monkeypatch, HarnessError("the disk is full"))
    result = campaign(tmp_path, BROKEN, SMALL, replace(SMALL, name="dead"))
    broken, small, dead = load(result.directory / "run.json").parts[0].scenarios
    assert (dead.verdict, dead.error) == (Verdict.INCONCLUSIVE, "it does not listen any more")
    assert (broken.verdict, broken.error) == (Verdict.INCONCLUSIVE, "the disk is full")
    assert broken.why == ("the harness failed: the disk is full",)
    assert (small.verdict, small.error, small.load.acknowledged) == (Verdict.PASS, "", 60)
    assert result.errors == ("Broken: the disk is full", "Dead: it does not listen any more")
    assert result.exit_code(result.verdict) is Exit.HARNESS
    for name in ("report.html", "junit.xml", "summary.md"):
        assert "the disk is full" in (result.directory / name).read_text(), name
    assert (tmp_path / "latest").resolve() == result.directory
    assert not (result.directory / UNFINISHED).exists()


def test_a_finding_outweighs_a_failure_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(monkeypatch, HarnessError("no more ports"))
    result = campaign(tmp_path, BROKEN)
    assert result.exit_code(result.verdict) is Exit.HARNESS
    (only,) = result.record.parts
    found = replace(only, verdict=Verdict.FAIL)
    worse = replace(result, record=replace(result.record, parts=(found,)))
    assert worse.exit_code(worse.verdict) is Exit.FAIL


@pytest.mark.parametrize(
    "error", [HistoryError("a line was lost"), RuntimeError("a bug"), OSError(28, "No space left")]
)
def test_a_bug_of_ours_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    fails_with(monkeypatch, error)
    result = campaign(tmp_path, BROKEN)
    (run,) = result.record.parts[0].scenarios
    assert str(error) in run.error
    assert run.verdict is Verdict.INCONCLUSIVE
    assert result.exit_code(result.verdict) is Exit.HARNESS


def test_a_target_that_never_ran_is_no_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each further scenario would wait for it as long, and end alike."""
    fails_with(monkeypatch, TargetError("it does not listen"))
    with pytest.raises(TargetError, match="it does not listen"):
        campaign(tmp_path, BROKEN, BROKEN)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TargetError("it does not listen")])
def test_a_folder_without_a_verdict_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    fails_with(monkeypatch, error)
    with pytest.raises(type(error)):
        campaign(tmp_path, BROKEN)
    (folder,) = tmp_path.iterdir()
    assert "was not judged" in (folder / UNFINISHED).read_text()
    assert not (folder / "run.json").exists()


def test_no_report_is_written_where_it_can_t_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the folder has no verdict either, whatever was judged."""

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    fails_with(monkeypatch, HarnessError("x"))
    monkeypatch.setattr(suite, "write_all", full)
    with pytest.raises(OSError, match="No space left"):
        campaign(tmp_path, BROKEN)
    (folder,) = tmp_path.iterdir()
    assert (folder / UNFINISHED).exists()


def test_a_part_of_failures_alone_has_no_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(monkeypatch, HarnessError("x"))
    (only,) = campaign(tmp_path, BROKEN, BROKEN).record.parts
    assert only.verdict is Verdict.INCONCLUSIVE
    assert not only.metrics
    assert not only.objectives or {each.verdict for each in only.objectives} == {Verdict.NOT_JUDGED}


# ---- a load from outside


@pytest.mark.parametrize(
    ("line", "invoked", "refused"),
    [
        ({"load_ended": True, "planned": 9}, 9, ""),
        ({"load_ended": True, "planned": 9}, 8, "8 of 9 enqueues that were due were sent"),
        ({"load_ended": True}, 9, "without saying how much"),
        (None, 9, "without saying how much"),
    ],
)
def test_a_load_from_outside_must_be_as_large_as_was_due(
    monkeypatch: pytest.MonkeyPatch, line: dict[str, object] | None, invoked: int, refused: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("" if line is None else json.dumps(line) + "\n"))
    source = ExternalLoad(1, None)
    source._listen()
    assert source.ended
    if not refused:
        source.check(invoked, invoked)
        return
    with pytest.raises(HarnessError, match=refused):
        source.check(invoked, invoked)


# ---- threads that stand still


def looks(pulses: Pulses, count: Callable[[float], int], every_s: float, for_s: float) -> list[str]:
    found: list[str] = []
    for step in range(int(for_s / every_s)):
        found += pulses.silent({"canary": count(step * every_s)}, step * every_s)
    return found


def test_a_thread_that_goes_on_is_alive_however_slow() -> None:
    assert not looks(Pulses(), lambda now_s: int(now_s / (SILENT_S_MAX - 1)), 0.05, 60)


def test_a_thread_that_stands_still_is_told() -> None:
    told = looks(Pulses(), lambda now_s: int(min(now_s, 5)), 0.05, 5 + SILENT_S_MAX + 1)
    assert told
    assert told[0] == f"the canary has done nothing for {SILENT_S_MAX:.0f} s"


def test_a_machine_that_let_nobody_look_accuses_no_thread() -> None:
    """One look before a pause of a minute and one after: the thread did not run, and nor did we."""
    pulses = Pulses()
    assert not pulses.silent({"canary": 1}, 0.0)
    for number in range(LOOKS_MIN):
        assert not pulses.silent({"canary": 1}, 60.0 + number * 0.001)
