"""Set-up run for real, as a program, in a checkout that is thrown away."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Checkout:
    """What set-up needs of a checkout, elsewhere; ``base`` is the interpreter, outside any virtual environment."""

    base = getattr(sys, "_base_executable", sys.executable)

    def __init__(self, root: Path, env: dict[str, str]) -> None:
        self.root = root
        self.env = env

    def argv(self, before: str = "") -> list[str]:
        """The command; with statements that stand for another machine."""
        program = f"import runpy, sys; {before}; runpy.run_module('tools.setup', run_name='__main__')"
        return [self.base, "-c", program]

    def set_up(self, before: str = "pass") -> subprocess.CompletedProcess[str]:
        """Runs it to its end."""
        return subprocess.run(
            self.argv(before), cwd=self.root, env=self.env, capture_output=True, text=True, timeout=300, check=False
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """No package index, no Go module proxy: port 9 of loopback answers nobody."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root / name)
    for package in ("system", "chaos", "scenarios", "loadtests", "reports"):
        (root / package).mkdir()
        (root / package / "__init__.py").touch()
    (root / "system/kit").mkdir()
    home = tmp_path / "home"
    home.mkdir()
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "UV_HTTP_RETRIES": "0", "GOPROXY": "off"}
    env = {"PATH": os.environ["PATH"], "HOME": str(home), **nowhere, "PIP_CONFIG_FILE": os.devnull}
    return Checkout(root, env)
