"""What is installed from a wheel is what is run from a checkout: every file, and one copy of the kit on the path."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.tools.conftest import ROOT

PACKAGES = ("system", "chaos", "scenarios", "loadtests", "reports")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without network: what builds it is in the lock."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    [made] = out.glob("*.whl")
    return made


def test_the_wheel_has_every_file_that_the_repository_has_of_its_packages(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    wanted = {name for name in listed.splitlines() if (ROOT / name).is_file()}
    assert wanted
    assert wanted - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_an_installed_wheel_finds_the_kit_and_nothing_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=60)
    [packages] = (tmp_path / "venv/lib").glob("python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    program = "import stormproof_target, system, chaos, reports; print(stormproof_target.__file__)"
    found = subprocess.run(
        [tmp_path / "venv/bin/python", "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.strip()
    assert found == str(packages / "system/kit/stormproof_target/__init__.py")
