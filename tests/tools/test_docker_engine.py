"""The engine that the tests marked `docker` run on: reachable while the command runs, gone afterwards."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.conftest import ROOT
from tools.docker_engine import IMAGE

ENGINE = [sys.executable, "-m", "tools.docker_engine"]
SEEN = """
import json, os, subprocess
said = subprocess.run(["docker", "run", "--rm", os.environ["STORMPROOF_REDIS_IMAGE"], "redis-server", "--version"],
                      capture_output=True, text=True)
print(json.dumps([os.environ["STORMPROOF_REDIS_IMAGE"], os.environ["DOCKER_HOST"], said.stdout, said.stderr]))
raise SystemExit(7)
"""


@pytest.mark.unit
def test_without_an_engine_the_command_runs_all_the_same_and_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [*ENGINE, sys.executable, "-c", "raise SystemExit(5)"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert "no Docker engine" in done.stderr


@pytest.mark.unit
def test_without_a_command_it_says_how_it_is_used() -> None:
    done = subprocess.run(ENGINE, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr


@pytest.mark.docker
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="needs root and dockerd on PATH")
def test_a_private_engine_runs_this_machines_redis_and_leaves_nothing(tmp_path: Path) -> None:
    env = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}  # not the machine's engine, nor one around us
    done = subprocess.run(
        [*ENGINE, sys.executable, "-c", SEEN],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    image, host, said, errors = json.loads(done.stdout)
    assert image == IMAGE
    assert "server v=" in said, errors
    assert not Path(host.removeprefix("unix://")).parent.exists()
