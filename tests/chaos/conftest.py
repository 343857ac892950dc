import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stormproof_target

from chaos.binaries import find_toxiproxy
from chaos.campaign import Campaign
from chaos.environment.native import NativeEnvironment
from chaos.processes import Program
from chaos.proxy.toxiproxy import ToxiproxyServer

KIT = Path(stormproof_target.__file__).parent.parent
FORKING_WORKER = Path(__file__).parent / "forking_worker.py"

_numbers = itertools.count()


@pytest.fixture
def campaign() -> Iterator[Campaign]:
    with Campaign(f"test-{os.getpid()}-{next(_numbers)}") as campaign:
        yield campaign


@pytest.fixture
def toxiproxy(campaign: Campaign, tmp_path: Path) -> Iterator[ToxiproxyServer]:
    with ToxiproxyServer(campaign, find_toxiproxy(), tmp_path / "toxiproxy.log") as server:
        yield server


@pytest.fixture
def env(campaign: Campaign, toxiproxy: ToxiproxyServer, tmp_path: Path) -> Iterator[NativeEnvironment]:
    with NativeEnvironment(tmp_path / "scenario", campaign, toxiproxy, ["worker-0", "worker-1"]) as env:
        yield env


def start_worker(env: NativeEnvironment, name: str, **variables: str) -> Program:
    """A forking worker that is seen to work: it has begun a job, and its link has a connection."""
    port = str(env.links[name].port)
    program = env.start_worker(
        name,
        [sys.executable, str(FORKING_WORKER)],
        {"PYTHONPATH": str(KIT), "REDIS_PORT": port, **variables},
    )
    wait_for(lambda: bool(env.view.open_runs(name)) and bool(env.links[name].connections()))
    return program


def wait_for(condition: Callable[[], object], limit_s: float = 20.0) -> None:
    """Until it holds. The limit is no expectation: it is there so that a failure ends."""
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.005)


def events(env: NativeEnvironment, name: str, file: str = "harness") -> list[dict[str, Any]]:
    """What the harness has told so far."""
    lines = (env.directory / "ledger" / f"{file}.jsonl").read_text().splitlines()
    return [event for line in lines if (event := json.loads(line))["e"] == name]
