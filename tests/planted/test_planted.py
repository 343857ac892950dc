"""Each planted bug is caught by the right checker, on the real thing; the unmodified reference passes beside them."""

import importlib
import os
import subprocess
import sys
from collections.abc import Container, Iterable
from datetime import date
from pathlib import Path
from typing import TypeVar

import pytest
from stormproof_target import Setup

from reports.verdict import Verdict
from scenarios.campaign_plan import CampaignPlan, PartPlan
from scenarios.catalog import CATALOG
from scenarios.checkers.registry import CHECKERS
from scenarios.cli import main as stormproof
from scenarios.commands import planted as command
from scenarios.planted import FOLDER, PLANTED, PlantedBug, part_of
from scenarios.planted_rows import REFERENCE, Row, catch_of, rows_in
from scenarios.planted_runs import Batch, batches
from scenarios.planted_table import BEGIN, END, put_into, render
from scenarios.progress import Quiet
from scenarios.row_file import RowError
from scenarios.suite import run_campaign
from scenarios.target_program import resolve
from tests.planted.variant import OF_A_RUN, Place, Variant, planted, replaces

SEED = 11
EVERY_DAY = {"accept_and_drop", "ack_before_run", "arguments_corrupted"}
"""In a script of producers, in one of slots, and in a slot's Python."""
NO_BUGS = {"__init__", "test_planted", "variant", "worker"}
T = TypeVar("T")


def slow_ones(values: Iterable[T], everyday: Container[T]) -> list[object]:
    """Parameters, of which only some are for every day."""
    return [pytest.param(each, marks=[] if each in everyday else [pytest.mark.slow]) for each in values]


@pytest.mark.planted
@pytest.mark.parametrize("name", slow_ones(PLANTED, EVERY_DAY))
def test_the_bug_fails_by_its_checker(name: str, tmp_path: Path) -> None:
    bug = PLANTED[name]
    result = run_campaign(CampaignPlan([part_of(bug)], SEED, tmp_path, ""), Quiet())
    (ran,) = result.record.parts
    found = {finding.checker for finding in ran.scenarios[0].findings if finding.kind == "broken promise"}
    assert ran.verdict is Verdict.FAIL, ran.scenarios[0].why
    assert bug.caught_by in found, f"seed {SEED}: caught by {found}"


@pytest.mark.planted
@pytest.mark.parametrize(
    "name",
    slow_ones(sorted({bug.scenario for bug in PLANTED.values()}), {"steady"}),
)
def test_the_unmodified_reference_passes_where_the_bugs_fail(name: str, tmp_path: Path) -> None:
    part = PartPlan(resolve("reference"), [CATALOG[name]])
    result = run_campaign(CampaignPlan([part], SEED, tmp_path, ""), Quiet())
    (run,) = result.record.parts[0].scenarios
    assert run.verdict is Verdict.PASS, f"seed {SEED}: {run.why}"


class TestRegistered:
    def test_every_file_is_registered_and_every_bug_has_a_file(self) -> None:
        assert {path.stem for path in FOLDER.glob("*.py")} - NO_BUGS == set(PLANTED)
        assert len(PLANTED) >= 30
        assert len({bug.title for bug in PLANTED.values()}) == len(PLANTED)

    @pytest.mark.parametrize("bug", PLANTED.values(), ids=lambda bug: bug.name)
    def test_what_is_replaced_is_there(self, bug: PlantedBug) -> None:
        module = importlib.import_module(f"tests.planted.{bug.name}")
        variants = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Variant)]
        (variant,) = (each for each in variants if each is not Variant)
        assert variant.name == bug.name.replace("_", "-")
        texts = planted(*variant.places)
        assert set(texts) == {place.script for place in variant.places}
        assert all(place.sound != place.buggy for place in variant.places)
        assert variant.places or "@replaces(" in bug.adapter.read_text("utf-8")
        assert bug.scenario in CATALOG
        assert bug.caught_by in CHECKERS
        assert f"`{bug.caught_by}` must find it" in (module.__doc__ or ""), "the docstring says who, and why"

    def test_a_variant_says_that_it_is_one(self) -> None:
        for name in ("sweep_drops", "always_unknown"):  # in a script, in Python
            assert resolve(str(PLANTED[name].adapter)).describe(Setup()).name == name.replace("_", "-")

    def test_a_bug_whose_place_is_gone_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="0 places 'no such text'"):
            planted(Place("fail", "no such text", ""))

    def test_places_of_one_script_add_up(self) -> None:
        text = planted(Place("release", "local fate", "local one"), Place("release", "{'applied', fate}", "{'two'}"))
        assert "local one" in text["release"]
        assert "return {'two'}" in text["release"]


class Sound:
    def word(self) -> str:
        return "sound"


class TestReplacing:
    def test_only_in_the_queues_own_processes(self) -> None:
        def word(_self: Sound) -> str:
            return "buggy"

        assert word.__module__ not in OF_A_RUN
        replaces(Sound)(word)
        assert Sound().word() == "sound"
        word.__module__ = "stormproof_adapter"
        sound = Sound.word
        try:
            replaces(Sound)(word)
            assert Sound().word() == "buggy"
        finally:
            Sound.word = sound  # type: ignore[method-assign]

    def test_the_import_of_a_bugs_file_under_the_queues_name_for_it_plants_the_bug(self) -> None:
        """So do slots, which preload it, and `tests.planted.worker` in a supervisor."""
        code = (
            "import stormproof_adapter\n"
            "from system.reference.backoff import Backoff\n"
            "print(Backoff(base_s=1.0, cap_s=9.0, jitter='none').bounds_s(1))\n"
        )
        program = resolve(str(PLANTED["backoff_off_by_one"].adapter))
        variables = os.environ | program.environment(Setup())
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout == "(2.0, 2.0)\n"

    def test_what_is_not_there_can_not_be_replaced(self) -> None:
        def no_such_word(_self: Sound) -> str:
            return ""

        with pytest.raises(AttributeError, match="Sound has no no_such_word"):
            replaces(Sound)(no_such_word)

    def test_a_module_that_runs_as_a_program_is_changed_in_both_its_copies(self, tmp_path: Path) -> None:
        """As ``python -m system.reference.slot`` is: its class is not the one that an import gives."""
        code = (
            "import sys\n"
            "class Slot:\n"
            "    def work(self): return 'sound'\n"
            "from tests.planted.variant import replaces\n"
            f"sys.path.insert(0, {str(tmp_path)!r})\n"
            "import twice\n"
            "def work(self): return 'buggy'\n"
            "work.__module__ = 'stormproof_adapter'\n"
            "if __name__ == '__main__':\n"
            "    replaces(twice.Slot)(work)\n"
            "    print(Slot().work(), twice.Slot().work())\n"
        )
        (tmp_path / "twice.py").write_text(code)
        done = subprocess.run(
            [sys.executable, "-m", "twice"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout == "buggy buggy\n"


def row(target: str, scenario: str = "steady", verdict: str = "fail", **more: object) -> Row:
    return Row(target=target, scenario=scenario, seed=SEED, verdict=verdict, **more)  # type: ignore[arg-type]


ROWS = [
    row("sweep_drops", "workers_killed", found={"lost": 3, "states": 1}),
    row("sweep_drops", "steady", "pass"),
    row("retry_uncounted", "poison", found={"duplicates": 2}),
    row("pause_ignored", "pause_resume", "pass"),
    row(REFERENCE, "steady", "pass", servers=("Redis 7.0.15",)),
    row(REFERENCE, "poison", "inconclusive", why="too few samples"),
]
BUGS = [PLANTED[name] for name in ("sweep_drops", "retry_uncounted", "pause_ignored")]


class TestRows:
    def test_a_bug_is_caught_only_by_its_own_checker(self) -> None:
        assert [catch_of(bug, ROWS).verdict for bug in BUGS] == ["yes", "wrong checker", "no"]
        assert catch_of(BUGS[0], ROWS).by == {"lost": ["workers_killed"], "states": ["workers_killed"]}

    def test_they_are_read_as_they_were_written_but_for_a_line_that_was_cut_off(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        kept = rows_in(path)
        kept.append(ROWS[:2])
        kept.append(ROWS[2:])
        with path.open("a") as file:
            file.write('{"target": "sweep_dr')
        assert [each.key for each in kept.read()] == [each.key for each in ROWS]
        assert kept.read()[0].found == {"lost": 3, "states": 1}
        assert rows_in(tmp_path / "none").read() == []

    def test_every_line_that_is_none_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_text('{"target": "x"}\nno\n')
        with pytest.raises(RowError) as raised:
            rows_in(path).read()
        assert f"{path}:1: " in str(raised.value)
        assert f"{path}:2: " in str(raised.value)


class TestPlan:
    def test_what_tells_most_comes_first(self) -> None:
        plan = batches(BUGS[:2], ["steady", "poison", "workers_killed"], SEED, [])
        assert plan == [
            Batch("sweep_drops", ("workers_killed",), SEED),
            Batch("retry_uncounted", ("poison",), SEED),
            Batch(REFERENCE, ("steady", "poison", "workers_killed"), SEED),
            Batch("sweep_drops", ("steady", "poison"), SEED),
            Batch("retry_uncounted", ("steady", "workers_killed"), SEED),
        ]

    def test_resumed_it_is_what_is_left_or_was_not_judged(self) -> None:
        done = [
            row("sweep_drops", "workers_killed"),
            row("sweep_drops", "steady", error="no room"),
            row(REFERENCE),
            row(REFERENCE, "workers_killed"),
        ]
        plan = batches(BUGS[:1], ["steady", "workers_killed"], SEED, done)
        assert plan == [Batch("sweep_drops", ("steady",), SEED)]
        assert len(batches(BUGS[:1], ["steady", "workers_killed"], SEED + 1, done)) == 3

    def test_its_command_names_adapter_scenarios_and_seed(self) -> None:
        assert Batch("sweep_drops", ("steady", "poison"), 7).command == [
            *("run", "--target", str(PLANTED["sweep_drops"].adapter)),
            *("--scenario", "steady", "--scenario", "poison", "--seed", "7"),
        ]


class TestTable:
    def test_it_tells_who_found_what_where(self) -> None:
        text = render([catch_of(bug, ROWS) for bug in BUGS], ROWS, SEED, date(2026, 11, 24))
        assert "seed 11" in text
        assert "Redis 7.0.15" in text
        assert "**1 of 3 planted bugs" in text
        assert "through 2 scenarios: 0 findings; not passed: poison (inconclusive: too few samples)." in text
        (line,) = (each for each in text.splitlines() if each.startswith("| sweep_drops |") and "workers" in each)
        title = PLANTED["sweep_drops"].title
        assert line == f"| sweep_drops | {title} | lost | yes | workers_killed | states (1) | 2 |"
        assert "| sweep_drops | **1** |  | 1 |" in text.replace("|  |  |", "|  |")

    def test_it_takes_its_place_between_the_markers_and_leaves_the_rest(self, tmp_path: Path) -> None:
        path = tmp_path / "planted.md"
        path.write_text(f"# Head\n\n{BEGIN}\nold\n{END}\n\ntail\n")
        put_into(path, "new")
        put_into(path, "newer")
        assert path.read_text() == f"# Head\n\n{BEGIN}\n\nnewer\n\n{END}\n\ntail\n"
        put_into(tmp_path / "fresh.md", "first")
        assert f"{BEGIN}\n\nfirst\n\n{END}" in (tmp_path / "fresh.md").read_text()


class TestCommand:
    def test_what_was_run_is_not_run_again_and_a_bug_that_was_not_caught_fails(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nothing is left to be run: the rows alone decide."""
        folder = tmp_path / "planted"
        folder.mkdir()
        words = [
            "planted",
            "--only",
            "sweep_drops",
            "--scenario",
            "steady",
            "--seed",
            str(SEED),
            "--out",
            str(tmp_path),
        ]
        rows_in(folder / command.ROWS).append([row("sweep_drops", found={"states": 1}), row(REFERENCE, verdict="pass")])
        assert stormproof([*words, "--resume"]) == 1
        assert "NOT CAUGHT by lost: sweep_drops (found by: states)" in capsys.readouterr().err
        rows_in(folder / command.ROWS).append([row("sweep_drops", found={"lost": 1})])
        table = tmp_path / "table.md"
        assert stormproof([*words, "--resume", "--table", str(table)]) == 0
        assert "**1 of 1 planted bugs" in table.read_text()
        rows_in(folder / command.ROWS).append([row(REFERENCE, found={"lost": 1})])
        assert stormproof([*words, "--resume"]) == 1
        assert "FALSE ALARM" in capsys.readouterr().err

    def test_an_unknown_bug_and_an_unknown_scenario_are_told(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert stormproof(["planted", "--only", "sweep_drops,none", "--out", str(tmp_path)]) == 2
        assert "no such planted bug: none; there are accept_and_drop, " in capsys.readouterr().err
        assert stormproof(["planted", "--scenario", "none", "--out", str(tmp_path)]) == 2
        assert stormproof(["planted", "--jobs", "0", "--out", str(tmp_path)]) == 2
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.planted
    @pytest.mark.slow
    def test_a_bug_and_the_sound_queue_side_by_side(self, tmp_path: Path) -> None:
        words = ["planted", "--only", "accept_and_drop", "--scenario", "steady", "--jobs", "2", "--out", str(tmp_path)]
        assert stormproof(words) == 0
        rows = {each.target: each for each in rows_in(tmp_path / "planted" / command.ROWS).read()}
        assert rows["accept_and_drop"].found["lost"] >= 1
        assert rows[REFERENCE].verdict == "pass"
