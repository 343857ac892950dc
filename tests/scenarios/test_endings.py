"""However the harness ends in the middle of a scenario, no process, no port and no proxy stays."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from scenarios.exit_codes import Exit
from tests.listeners import listeners

STORMPROOF = Path(sys.executable).with_name("stormproof")
START_S_MAX = 60.0
END_S_MAX = 30.0


def until(holds: Callable[[], bool], seconds: float) -> bool:
    end_s = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.05)
    return True


def marked(campaign: str) -> Iterator[psutil.Process]:
    """Every process that carries the campaign's mark."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("STORMPROOF_CAMPAIGN") == campaign:
                yield process
        except psutil.Error:
            continue


def under_load(out: Path) -> bool:
    return any('"name":"load_begin"' in path.read_text() for path in out.glob("*/*/*/ledger/harness.jsonl"))


@pytest.mark.parametrize(
    ("name", "code"), [("SIGTERM", Exit.INTERRUPTED), ("SIGINT", Exit.INTERRUPTED), ("SIGKILL", -signal.SIGKILL)]
)
def test_nothing_is_left_after(name: str, code: int, tmp_path: Path) -> None:
    with subprocess.Popen(
        [STORMPROOF, "run", "--scenario", "redis_disconnects", "--seed", "1", "--out", tmp_path],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as harness:
        try:
            assert until(lambda: under_load(tmp_path), START_S_MAX), "the load has not begun"
            (campaign,) = [path.name for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink()]
            family = list(marked(campaign))
            assert len(family) >= 8  # Redis, Toxiproxy, producer, two supervisors with two slots and a spare each
            sockets: set[tuple[int, int]] = set()

            def all_listen() -> bool:
                """Redis, Toxiproxy's own, and a link each for the producer and the workers; a fault closes links."""
                theirs = {each.laddr.port for process in family for each in process.net_connections("tcp4")}
                sockets.update((port, inode) for port, inode in listeners() if port in theirs)
                return len({port for port, _ in sockets}) >= 5

            assert until(all_listen, START_S_MAX), sockets
        finally:
            harness.send_signal(signal.Signals[name])
            _, error = harness.communicate(timeout=END_S_MAX)
    assert harness.returncode == code, error
    assert "Traceback" not in error
    assert until(lambda: not list(marked(campaign)), END_S_MAX), list(marked(campaign))
    assert until(lambda: not sockets & listeners(), END_S_MAX)
