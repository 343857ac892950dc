"""Scenarios as tests: collected from a user's own files and from the catalogue; each verdict is pytest's own word."""

import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.catalog import CATALOG
from scenarios.planted import FOLDER

ROOT = Path(__file__).parent.parent.parent
MINE = """
from stormproof_target.spec import succeeds
from loadtests.arrivals import constant
from scenarios.scenario import Scenario

def mine(name, for_s=2, **more):
    return Scenario(name=name, claim="It works.", stands_for="a test", rest_s=1.5,
                    load=constant(rate_s=50, for_s=for_s, jobs={succeeds(sleep_ms=2): 1}), **more)

SOUND = mine("sound", objectives=["lost == 0"])
SHORT = mine("short", for_s=0.5, objectives=["p(95) job_time < 3s"])
BEYOND = mine("beyond", needs=frozenset({"dead_letters"}))
"""


def pytest_in(folder: Path, *words: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-ra", *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_pass_inconclusive_and_not_applicable_are_passed_error_and_skipped(tmp_path: Path) -> None:
    (tmp_path / "scenario_mine.py").write_text(MINE)
    target = ROOT / "docs" / "examples" / "list_queue.py"
    code, said = pytest_in(tmp_path, "scenario_mine.py", "-m", "chaos", "--target", target, "--seed", "4")
    assert code == pytest.ExitCode.TESTS_FAILED, said
    assert "1 passed, 1 skipped, 1 error" in said
    assert "the target has no dead_letters" in said
    assert "Inconclusive: p(95) job_time < 3s can't be judged: needs n ≥ 60" in said
    assert (tmp_path / "out" / "latest" / "report.html").exists()


def test_a_broken_promise_fails_the_test_with_the_finding_and_the_command_that_replays_it(tmp_path: Path) -> None:
    (tmp_path / "scenario_mine.py").write_text(MINE)
    target = FOLDER / "accept_and_drop.py"
    code, said = pytest_in(tmp_path, "scenario_mine.py", "-k", "sound", "--target", target, "--seed", "4")
    assert code == pytest.ExitCode.TESTS_FAILED, said
    assert "ScenarioFailed: broken promise: Job" in said
    assert "--scenario sound --seed 4" in said
    assert "--file " in said


def test_a_scenario_file_with_errors_is_a_collection_error_that_lists_them(tmp_path: Path) -> None:
    (tmp_path / "scenario_bad.py").write_text(
        MINE + 'BAD = mine("bad", reach=["retires >= 1"], objectives=["losst == 0"])\n'
    )
    code, said = pytest_in(tmp_path, "--collect-only", "-q")
    assert code == pytest.ExitCode.INTERRUPTED, said
    assert "no situation 'retires'" in said
    assert "no metric 'losst'" in said


def test_the_catalogue_is_added_where_chaos_is_asked_for_and_no_place_is_named(tmp_path: Path) -> None:
    code, said = pytest_in(tmp_path, "--collect-only", "-q", "-m", "chaos")
    assert code == pytest.ExitCode.OK, said
    assert all(f"catalogue::{name}" in said for name in CATALOG)
    for words in (("-m", "not chaos"), ()):
        assert "catalogue" not in pytest_in(tmp_path, "--collect-only", "-q", *words)[1]


def test_the_plugin_imports_nothing_of_ours_before_a_scenario_is_collected(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\n\ndef test_other():\n"
        "    assert not {'polars', 'redis', 'chaos', 'scenarios.suite'} & set(sys.modules)\n"
    )
    code, said = pytest_in(tmp_path, "-q", "-p", "no:randomly")
    assert code == pytest.ExitCode.OK, said
