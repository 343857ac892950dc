"""The gate: the exit code of the very command that the pipeline runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from reports.run_record import load
from reports.verdict import Verdict
from scenarios.exit_codes import Exit
from scenarios.planted import PLANTED

STORMPROOF = Path(sys.executable).with_name("stormproof")
TOO_SHORT = """
from stormproof_target.spec import succeeds
from loadtests.arrivals import constant
from scenarios.scenario import Scenario
SHORT = Scenario(
    name="too_short", claim="It is fast.", stands_for="a run that is too short to tell",
    load=constant(rate_s=20, for_s=1, jobs={succeeds(sleep_ms=1): 1}),
    objectives=["p(95) job_time < 3s"],
)
"""


def run(out: Path, *words: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [STORMPROOF, "run", "--seed", "5", "--out", out, *words],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def test_the_reference_is_let_through_and_every_artifact_is_there(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--scenario", "steady")
    assert code == Exit.PASS, said
    latest = tmp_path / "latest"
    record = load(latest / "run.json")
    assert record.parts[0].verdict is Verdict.PASS
    assert "PASS" in (latest / "report.html").read_text()
    assert 'failures="0"' in (latest / "junit.xml").read_text()
    assert (latest / "summary.md").stat().st_size > 0
    assert (latest / "reference" / "steady" / "history.parquet").exists()
    again = subprocess.run([STORMPROOF, "check", latest], capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == Exit.PASS, again.stderr
    told = subprocess.run(
        [STORMPROOF, "check", latest, "--explain", "w-0001"], capture_output=True, text=True, timeout=60, check=False
    )
    assert "acknowledged" in told.stdout


@pytest.mark.planted
def test_a_planted_bug_is_stopped_with_a_finding_and_the_command_that_replays_it(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--target", PLANTED["accept_and_drop"].adapter, "--scenario", "steady")
    assert code == Exit.FAIL, said
    assert "broken promise" in said
    assert "--scenario steady --seed 5" in said
    assert "lost" in (tmp_path / "latest" / "junit.xml").read_text()


def test_a_run_too_short_to_judge_is_stopped_as_inconclusive(tmp_path: Path) -> None:
    path = tmp_path / "scenario_short.py"
    path.write_text(TOO_SHORT)
    code, said = run(tmp_path / "out", "--file", path)
    assert code == Exit.INCONCLUSIVE, said
    assert "needs n ≥ 60" in said
