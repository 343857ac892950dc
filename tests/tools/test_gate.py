"""Continuous integration, here and in the workflow, runs what a person runs: targets of the Makefile."""

import re
import subprocess

import pytest

from tests.tools.conftest import ROOT

pytestmark = pytest.mark.unit


def targets_called(path: str) -> list[str]:
    """What a script asks `make` for, in order."""
    return re.findall(r"^\s*(?:run: )?make ([a-z-]+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", [".ci/run", ".github/workflows/resilience.yml"])
def test_the_gate_sets_up_checks_and_tests(path: str) -> None:
    assert targets_called(path) == ["setup", "check", "test"]


def test_the_local_gate_is_a_script_that_stops_at_the_first_failure() -> None:
    script = ROOT / ".ci/run"
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", script], check=True)


def test_help_lists_every_target() -> None:
    # as if by hand: below another make it would also say which folder it enters
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    assert [line.split()[1] for line in listed.splitlines()] == phony[1].split()
