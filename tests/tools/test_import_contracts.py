"""The contracts on imports can fail: each is broken by an import that it is there to forbid."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.tools.conftest import ROOT

FORBIDDEN = {
    "system <- chaos <- scenarios, which also sees loadtests and reports": ("chaos", "import scenarios"),
    "The reference queue stands alone: it knows neither the harness nor the kit": (
        "system.reference",
        "import stormproof_target",
    ),
    "Targets are programs: nothing imports them": ("scenarios", "import system.targets.rq"),
    "The kit sees the standard library only": ("stormproof_target", "import redis"),
    "Reports are pure: a stored run in, text out; no server, no clock, no randomness": ("reports", "import time"),
    "Arrival profiles are pure": ("loadtests.arrivals", "import socket"),
    "A load knows the kit and no queue: it speaks to producers": ("loadtests", "import system.reference"),
    "Only the locustfile imports locust, which patches the standard library": ("scenarios", "import locust"),
}
PACKAGES = ("chaos", "scenarios", "loadtests", "loadtests.arrivals", "reports", "system", "system.reference")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The packages, empty, with this repository's contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in (*PACKAGES, "system.targets", "kit.stormproof_target"):
        folder = tmp_path / package.replace(".", "/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").touch()
    (tmp_path / "system/targets/rq.py").touch()
    return tmp_path


def kept(root: Path) -> dict[str, bool]:
    """Each contract's name and whether it holds."""
    # The repository's own packages are on the path of this interpreter: the copies must come before them.
    first = f"import sys; sys.path[:0] = {[str(root), str(root / 'kit')]!r}"
    program = f"{first}; from importlinter.cli import lint_imports_command as run; run()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return {name: word == "KEPT" for name, word in re.findall(r"^(.+?) (KEPT|BROKEN)\b", done.stdout, re.MULTILINE)}


def test_the_list_above_has_every_contract() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert [each["name"] for each in config["tool"]["importlinter"]["contracts"]] == list(FORBIDDEN)


def test_empty_packages_keep_every_contract(bare: Path) -> None:
    assert kept(bare) == dict.fromkeys(FORBIDDEN, True)


def test_each_forbidden_import_breaks_its_contract(bare: Path) -> None:
    for package, statement in FORBIDDEN.values():
        folder = bare / ("kit/stormproof_target" if package == "stormproof_target" else package.replace(".", "/"))
        with (folder / "offender.py").open("a", encoding="utf-8") as module:
            module.write(f"{statement}\n")
    assert kept(bare) == dict.fromkeys(FORBIDDEN, False)


def test_the_locustfile_may_import_locust_and_the_harness(bare: Path) -> None:
    (bare / "loadtests/locustfile.py").write_text("import locust\nimport scenarios\nimport chaos\n", encoding="utf-8")
    assert kept(bare) == dict.fromkeys(FORBIDDEN, True)
