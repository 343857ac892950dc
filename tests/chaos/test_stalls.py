import json
import os
import signal
import subprocess
import sys
import time

import pytest

from chaos.campaign import ROOT
from chaos.stalls import Reading, Stalls, why_late

from .conftest import KIT, wait_for

MS = 1_000_000
TICKER = """
import json, sys, time
sys.path[:0] = {path!r}
from chaos.stalls import Stalls

def tell(event, **fields):
    print(json.dumps(dict(fields, t=time.monotonic_ns())), flush=True)

with Stalls(tell, dict):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("late_ms", "delay_ms", "own_ms", "by"),
    [
        (0, 0, 0, None),
        (49, 49, 0, None),
        (60, 58, 1, "starved"),
        (60, 2, 58, None),  # our own interpreter was busy elsewhere
        (60, 0, 0, "steal"),  # time of which the kernel has no account
        (500, 20, 30, "steal"),
        (500, 300, 150, "starved"),
    ],
)
def test_a_late_tick_has_a_reason(late_ms: int, delay_ms: int, own_ms: int, by: str | None) -> None:
    before = Reading(5 * MS, 7 * MS, 3 * MS)
    after = Reading((15 + late_ms) * MS, (7 + delay_ms) * MS, (3 + own_ms) * MS)
    assert why_late(before, after) == by


def test_time_in_which_the_harness_could_not_run_is_told() -> None:
    program = TICKER.format(path=[str(ROOT), str(KIT)])
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.05)
        before_ns = time.monotonic_ns()
        child.send_signal(signal.SIGSTOP)
        time.sleep(0.4)
        after_ns = time.monotonic_ns()
        child.send_signal(signal.SIGCONT)
        time.sleep(0.2)
        child.stdin.close()
        told = [json.loads(line) for line in child.stdout]
    assert any(
        each["worker"] == "host" and each["lo_ns"] <= before_ns + 100 * MS and each["t"] >= after_ns for each in told
    )


def test_a_worker_s_process_that_waits_for_the_cpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's numbers are given, since a test must not starve the machine."""
    told: list[dict[str, object]] = []
    delays = {f"/proc/{os.getpid()}/schedstat": iter([0, 10 * MS, 80 * MS, 85 * MS, 85 * MS])}
    monkeypatch.setattr("chaos.stalls._run_delay_ns", lambda path: next(delays[path]))

    def tell(_event: str, **fields: object) -> int:
        told.append(fields)
        return 0

    monkeypatch.setattr("chaos.crowd.Crowd.crowded", False)
    stalls = Stalls(tell, lambda: {"worker-0": [os.getpid()]})
    for since in (100, 200, 300, 400, 500):
        stalls._look_at_workers(since)
    assert told == [{"worker": "worker-0", "lo_ns": 300, "by": "starved"}]


def test_a_worker_that_is_gone_is_passed_over() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    stalls = Stalls(lambda _event, **_fields: 0, lambda: {"worker-0": [child.pid]})
    stalls._look_at_workers(0)


def test_an_error_in_the_thread_is_kept_for_the_check() -> None:
    def fail() -> dict[str, list[int]]:
        raise OSError("no more")

    with Stalls(lambda _event, **_fields: 0, fail) as stalls:
        wait_for(lambda: stalls.error is not None)
