"""The suite's own rule about skipped tests, run on small suites."""

import os
import subprocess
import sys
from pathlib import Path

SILENT = {
    "mark": "@pytest.mark.skip\ndef test_it(): pass",
    "call": "def test_it(): pytest.skip()",
    "module": "pytest.skip(allow_module_level=True)\ndef test_it(): pass",
    "fixture": "@pytest.fixture\ndef it(): pytest.skip('')\ndef test_it(it): pass",
}
TOLD = {
    "mark": "@pytest.mark.skip(reason='no disk')\ndef test_it(): pass",
    "condition": "@pytest.mark.skipif(True, reason='no disk')\ndef test_it(): pass",
    "call": "def test_it(): pytest.skip('no disk')",
    "module": "pytest.skip('no disk', allow_module_level=True)",
    "import": "pytest.importorskip('no_such_module')\ndef test_it(): pass",
    "expected": "@pytest.mark.xfail\ndef test_it(): assert False",
}


def outcome(folder: Path, modules: dict[str, str]) -> tuple[int, str]:
    """One run over a module for each kind; without the plugins that are installed, which nothing here needs."""
    for kind, text in modules.items():
        (folder / f"test_{kind}.py").write_text(f"import pytest\n{text}\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.skips", "-p", "no:cacheprovider", "-ra"],
        cwd=folder,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_skip_without_a_reason_fails(tmp_path: Path) -> None:
    code, shown = outcome(tmp_path, {kind: text for kind, text in SILENT.items() if kind != "module"})
    assert code == 1
    assert "1 failed, 2 errors" in shown, "a skip before the call is an error of the set-up"
    assert shown.count("skipped without a reason") >= 3


def test_a_module_that_leaves_itself_out_without_a_reason_fails(tmp_path: Path) -> None:
    code, shown = outcome(tmp_path, {"module": SILENT["module"]})
    assert code == 2, "as any error of collection"
    assert "skipped without a reason" in shown


def test_a_skip_with_a_reason_and_an_expected_failure_do_not(tmp_path: Path) -> None:
    code, shown = outcome(tmp_path, TOLD)
    assert code == 0, shown
    assert "5 skipped, 1 xfailed" in shown
