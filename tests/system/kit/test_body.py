"""The job body: each spec does what it says, and the ledger is told before and after."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from stormproof_target import JobSpec, payload_for
from stormproof_target.ledger import checksum
from stormproof_target.spec import exits, fails, hangs, holds_gil, kills_worker, segfaults, succeeds

KIT = Path(sys.modules["stormproof_target"].__file__ or "").parent.parent


def perform(
    tmp_path: Path, spec: JobSpec, attempt: int = 1, around: str = "run()"
) -> tuple[int, list[dict[str, object]]]:
    """Run one body in a process of its own; returns its status and the ledger's lines after ``open``."""
    script = f"""
import sys
sys.path.insert(0, {str(KIT)!r})
from stormproof_target import run_body
def run():
    return run_body({payload_for("j-1", spec)!r}, attempt={attempt}, fence=9)
{around}
"""
    ledger = tmp_path / "ledger"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script],
        env={"STORMPROOF_LEDGER": str(ledger)},
        stderr=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in ledger.read_text().splitlines()][1:]


def test_a_run_names_its_attempt_its_fence_and_what_it_was_given(tmp_path: Path) -> None:
    status, (started, ended) = perform(tmp_path, succeeds(sleep_ms=5), attempt=2)
    assert status == 0
    assert (started["attempt"], started["fence"]) == (2, 9)
    assert started["args_sum"] == checksum(payload_for("j-1", succeeds(sleep_ms=5)))
    assert ended["outcome"] == "ok"
    assert ended["sum"] == checksum(str(started["run"]))


def test_large_arguments_and_results_are_as_long_as_asked_and_differ_in_every_part(tmp_path: Path) -> None:
    spec = succeeds(args_kb=3, result_kb=40)
    pad = json.loads(payload_for("j-1", spec))["pad"]
    assert len(pad) == 3 * 1024
    assert len({pad[at : at + 64] for at in range(0, len(pad), 64)}) == len(pad) // 64
    result = tmp_path / "result"
    around = f"open({str(result)!r}, 'w').write(run())"
    _, (started, ended) = perform(tmp_path, spec, around=around)
    text = result.read_text()
    assert text.startswith(str(started["run"]))
    assert len(text) == len(str(started["run"])) + 40 * 1024
    assert ended["sum"] == checksum(text)


def test_a_body_that_holds_the_gil_lets_no_thread_run_and_ends_well(tmp_path: Path) -> None:
    around = """
import threading, time
ticks = []
def tick():
    while True:
        ticks.append(time.monotonic())
        time.sleep(0.02)
threading.Thread(target=tick, daemon=True).start()
time.sleep(0.2)
before = len(ticks)
begun = time.monotonic()
run()
ended = time.monotonic()
sys.exit(0 if before > 1 and not any(begun + 0.1 < t < ended - 0.1 for t in ticks) else 1)
"""
    status, (_, ended) = perform(tmp_path, holds_gil(0.5), around=around)
    assert (status, ended["outcome"]) == (0, "ok")


@pytest.mark.parametrize(("attempt", "outcome"), [(1, "error"), (2, "error"), (3, "ok")])
def test_fails_on_as_many_attempts_as_it_says(tmp_path: Path, attempt: int, outcome: str) -> None:
    _, (_, ended) = perform(tmp_path, fails(times=2), attempt=attempt)
    assert ended["outcome"] == outcome


def test_exit_and_segfault_leave_the_run_open(tmp_path: Path) -> None:
    status, events = perform(tmp_path, exits(status=3))
    assert (status, [event["e"] for event in events]) == (3, ["started"])
    (tmp_path / "other").mkdir()
    status, events = perform(tmp_path / "other", segfaults())
    assert (status, [event["e"] for event in events]) == (-signal.SIGSEGV, ["started"])


@pytest.mark.parametrize(("attempt", "outcomes"), [(1, [None, "error"]), (2, [None, "error"]), (3, [None])])
def test_an_exit_that_fails_first_raises_on_as_many_attempts_as_it_says(
    tmp_path: Path, attempt: int, outcomes: list[str | None]
) -> None:
    _, events = perform(tmp_path, exits(fails_first=2), attempt=attempt)
    assert [event.get("outcome") for event in events] == outcomes


WORKER = """
import subprocess, sys
subprocess.run([sys.executable, "-I", "-S", "-c", {script!r}])
"""


def test_a_job_that_kills_its_worker_kills_whoever_writes_its_ledger_and_nobody_above(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(KIT)!r})
from stormproof_target import run_body
run_body({payload_for("j-1", kills_worker())!r}, attempt=1)
"""
    ledger = tmp_path / "ledger"
    told = {"STORMPROOF_LEDGER": str(ledger)}
    worker = [sys.executable, "-I", "-S", "-c", WORKER.format(script=script)]
    spawner = f"""
import subprocess
print(subprocess.run({worker!r}, env={told!r}, timeout=30).returncode)
"""
    command = [sys.executable, "-I", "-S", "-c", spawner]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, str(-signal.SIGKILL))
    assert [json.loads(line)["e"] for line in ledger.read_text().splitlines()] == ["open", "started"]


def test_a_python_hang_yields_to_the_queues_timeout_and_is_told_as_one(tmp_path: Path) -> None:
    around = """
import signal
class JobTimeoutException(Exception): pass
def ring(*_): raise JobTimeoutException
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try: run()
except JobTimeoutException: pass
"""
    status, (_, ended) = perform(tmp_path, hangs(for_s=20), around=around)
    assert (status, ended["outcome"]) == (0, "timeout")


def test_a_hang_in_c_outlives_an_exception_and_a_deaf_job_outlives_sigterm(tmp_path: Path) -> None:
    """Both end by themselves here; the point is that the exception and the SIGTERM did not end them."""
    around = """
import os, signal, threading, time
def ring(*_): raise TimeoutError
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 1)  # a busy machine may take a while to come to the hang
run()
"""
    _, events = perform(tmp_path, hangs(for_s=2, in_c=True), around=around)
    took_ns = int(str(events[1]["t"])) - int(str(events[0]["t"]))
    assert took_ns >= 2_000_000_000
    (tmp_path / "deaf").mkdir()
    kill_self = """
import os, signal, threading
threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
run()
"""
    status, events = perform(tmp_path / "deaf", hangs(for_s=0.6, ignores_sigterm=True), around=kill_self)
    assert (status, events[-1]["outcome"]) == (0, "ok")


def test_specs_travel_as_json_and_name_all_that_is_wrong() -> None:
    for spec in (
        succeeds(3, args_kb=1, result_kb=2),
        holds_gil(2),
        fails(2),
        hangs(5, in_c=True),
        exits(4, times=1),
        exits(fails_first=2),
        segfaults(),
        kills_worker(),
    ):
        assert JobSpec(**json.loads(spec.to_json())) == spec
    with pytest.raises(ValueError, match=r"kind 'x'.*sleep_ms -1.*times -2"):
        JobSpec("x", sleep_ms=-1, times=-2)
    with pytest.raises(ValueError, match="fails_first 1 is for exit, kill_worker, segfault only"):
        JobSpec("hang", fails_first=1)


def test_only_specs_that_end_well_within_their_attempts_can_succeed() -> None:
    assert succeeds().can_succeed(1)
    assert holds_gil(1).can_succeed(1)
    assert fails(times=2).can_succeed(3)
    assert not fails(times=3).can_succeed(3)
    assert not fails().can_succeed(3)
    assert not hangs().can_succeed(3)
    assert not exits(fails_first=1).can_succeed(3)
