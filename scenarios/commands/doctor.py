"""``stormproof doctor``: what is installed, what is missing, how to get it; ends what a killed harness left."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chaos.binaries import Binary, find_redis, find_toxiproxy
from chaos.campaign import reap
from chaos.errors import HarnessError
from scenarios.exit_codes import Exit

if TYPE_CHECKING:
    from argparse import _SubParsersAction

LIBRARIES: Final = ("redis", "rq", "locust", "toxiproxy-python", "polars", "matplotlib", "pytest")


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that Stormproof uses. ``found`` '' means missing; ``advice`` says how to get it."""

    name: str
    found: str
    needed: bool
    advice: str


def add_to(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Options."""
    command = commands.add_parser("doctor", help="what is installed, what is missing, how to get it")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--reap", action="store_true", help="end processes that a killed harness left behind")
    command.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    """Exit 0 when everything that a run needs is there, else 4."""
    if options.reap:
        print("\n".join(reap()) or "nothing was left behind")
    needs = look()
    if options.json:
        print(json.dumps([asdict(need) for need in needs], indent=1))
    else:
        for need in needs:
            mark = "✓" if need.found else ("✗" if need.needed else "–")
            print(f"{mark} {need.name:16} {need.found or 'missing: ' + need.advice}")
    return Exit.HARNESS if any(need.needed and not need.found for need in needs) else Exit.PASS


def look() -> list[Need]:
    """Everything, found or not."""
    linux = f"Linux {os.uname().release}" if sys.platform.startswith("linux") else ""
    return [
        Need("operating system", linux, needed=True, advice="faults and clean-up need Linux: pidfd and /proc"),
        Need("Python", sys.version.split()[0], needed=True, advice=""),
        *(Need(name, version(name), needed=True, advice="`make setup`") for name in LIBRARIES),
        Need("Redis", _found(find_redis), needed=True, advice=_advice(find_redis)),
        Need("Toxiproxy", _found(find_toxiproxy), needed=True, advice=_advice(find_toxiproxy)),
        Need("Chromium", _program("chromium", "chromium-browser"), needed=False, advice="only for the browser tests"),
        Need("Node", _program("node"), needed=False, advice="only for the test of a target in another language"),
        Need("Docker engine", _docker(), needed=False, advice="only for the tests marked docker"),
    ]


def _found(look_up: Callable[[], Binary]) -> str:
    try:
        binary = look_up()
    except HarnessError:
        return ""
    return f"{binary.version} ({binary.path})"


def _advice(look_up: Callable[[], Binary]) -> str:
    try:
        look_up()
    except HarnessError as error:
        return str(error)
    return ""


def _program(*names: str) -> str:
    return next((found for name in names if (found := shutil.which(name))), "")


def _docker() -> str:
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return address if not address.startswith("unix://") or Path(address.removeprefix("unix://")).exists() else ""
