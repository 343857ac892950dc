"""The servers that the harness starts: where they are, which version, and how to get one that is missing."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaos.errors import HarnessError

BIN: Final = Path(__file__).resolve().parent.parent / ".stormproof" / "bin"  # where `make setup` puts what it made
REDIS_NAMES: Final = ("redis-server", "valkey-server")
REDIS: Final = "Redis"
VALKEY: Final = "Valkey"
REDIS_VERSION_MIN: Final = (7, 0)
ASK_TIMEOUT_S: Final = 10.0

_VERSION = re.compile(r"\bv=((\d+)\.(\d+)\S*)")


@dataclass(frozen=True, slots=True)
class Binary:
    """``product`` and ``version`` are what the program says of itself: a build of Toxiproxy by hand says ``git``."""

    path: Path
    version: str
    product: str = REDIS

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


def find_redis() -> Binary:
    """A Redis-compatible server, 7.0 or newer: from PATH, else from the set-up. Raises ``HarnessError``."""
    refused = []
    for name in REDIS_NAMES:
        for path in _candidates(name):
            said = _ask(path, "--version")
            match = _VERSION.search(said)
            if match is None:
                refused.append(f"{path} does not tell its version")
                continue
            if (int(match[2]), int(match[3])) >= REDIS_VERSION_MIN:
                return Binary(path, match[1], VALKEY if said.startswith(VALKEY) else REDIS)
            refused.append(f"{path} is {match[1]}, older than 7.0")
    found = "; ".join(refused) or f"neither {' nor '.join(REDIS_NAMES)} is on PATH or in {BIN}"
    raise HarnessError(f"no Redis server to be had: {found}. `make setup` fetches one, or install redis-server >= 7.0")


def server_of(path: Path, told: Mapping[str, Any]) -> Binary:
    """From what a server answered to INFO: Valkey tells beside its own version the one of Redis that it is like."""
    product = VALKEY if "valkey_version" in told else REDIS
    return Binary(path, str(told.get("valkey_version", told["redis_version"])), product)


def find_toxiproxy() -> Binary:
    """The Toxiproxy server: from the set-up, else from PATH. Raises ``HarnessError``."""
    for path in reversed(_candidates("toxiproxy-server")):
        return Binary(path, _ask(path, "-version").strip().split()[-1] or "unknown", "Toxiproxy")
    raise HarnessError(f"no toxiproxy-server on PATH or in {BIN}: `make setup` builds one, or install Toxiproxy >= 2.9")


def _candidates(name: str) -> list[Path]:
    found = (shutil.which(name), shutil.which(name, path=str(BIN)))
    return [Path(each) for each in found if each is not None]


def _ask(path: Path, option: str) -> str:
    try:
        done = subprocess.run(
            [path, option], capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False, env=dict(os.environ)
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout or done.stderr
