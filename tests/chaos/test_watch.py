import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from chaos.procfs import process
from chaos.watch import Exit, Watch, Watched

from .conftest import wait_for

ORPHAN = """
import subprocess
child = subprocess.Popen(["/bin/sleep", "600"], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
"""


@pytest.fixture
def exits() -> list[Exit]:
    return []


@pytest.fixture
def watch(exits: list[Exit]) -> Iterator[Watch]:
    watch = Watch(exits.append)
    watch.start()
    yield watch
    assert watch.error is None
    watch.stop()


def watched(pid: int, child: subprocess.Popen[bytes] | None = None) -> Watched:
    found = process(pid)
    assert found is not None
    return Watched("worker-0", pid, found.start, time.monotonic_ns(), child)


@pytest.mark.parametrize(("command", "status"), [("exit 3", 3), ("kill -9 $$", -9)])
def test_our_own_child_s_status_is_told(watch: Watch, exits: list[Exit], command: str, status: int) -> None:
    child = subprocess.Popen(["/bin/sh", "-c", f"read x; {command}"], stdin=subprocess.PIPE)
    watch.add(watched(child.pid, child))
    assert child.stdin is not None
    child.stdin.close()
    wait_for(lambda: exits)
    assert [each.status for each in exits] == [status]


def test_an_orphan_s_death_is_seen_within_an_interval_that_holds_it(watch: Watch, exits: list[Exit]) -> None:
    parent = subprocess.run([sys.executable, "-S", "-c", ORPHAN], stdout=subprocess.PIPE, check=True)
    orphan = int(parent.stdout)
    watch.add(watched(orphan))
    time.sleep(0.1)
    before_ns = time.monotonic_ns()
    os.kill(orphan, 9)
    wait_for(lambda: exits)
    assert exits[0].caught
    assert exits[0].status is None
    assert exits[0].lo_ns <= time.monotonic_ns()
    assert before_ns - exits[0].lo_ns < 10e9  # it was looked at in the meantime, not only when it was added
    assert exits[0].lo_ns > exits[0].process.seen_ns


def test_a_process_that_is_gone_before_it_could_be_watched_is_told_as_such(watch: Watch, exits: list[Exit]) -> None:
    child = subprocess.Popen(["/bin/true"])
    gone = watched(child.pid)
    child.wait()
    watch.add(gone)
    assert [(each.caught, each.lo_ns) for each in exits] == [(False, gone.seen_ns)]


def test_another_process_under_the_number_is_not_watched(watch: Watch, exits: list[Exit]) -> None:
    watch.add(Watched("worker-0", os.getpid(), 1, time.monotonic_ns()))
    assert [each.caught for each in exits] == [False]


def test_a_process_exits_once_however_often_it_is_named(watch: Watch, exits: list[Exit]) -> None:
    child = subprocess.Popen(["/bin/sh", "-c", "read x"], stdin=subprocess.PIPE)
    it = watched(child.pid, child)
    watch.add(it)
    watch.add(it)
    assert child.stdin is not None
    child.stdin.close()
    wait_for(lambda: exits)
    watch.add(Watched(it.worker, it.pid, it.pid_start, it.seen_ns))
    assert len(exits) == 1


def test_what_has_exited_by_the_stop_is_told_and_what_lives_is_not(exits: list[Exit]) -> None:
    watch = Watch(exits.append)
    watch.start()
    dead, alive = (subprocess.Popen(["/bin/sleep", "600"]) for _ in range(2))
    watch.add(watched(dead.pid, dead))
    watch.add(watched(alive.pid, alive))
    dead.kill()
    wait_for(lambda: (now := process(dead.pid)) is None or now.state == "Z")
    watch.stop()
    watch.stop()
    assert [each.process.pid for each in exits] == [dead.pid]
    alive.kill()
    alive.wait()


def test_what_is_due_later_runs_in_order_in_the_watch_s_own_thread(watch: Watch) -> None:
    seen: list[tuple[str, str]] = []
    watch.after(0.05, lambda: seen.append(("second", threading.current_thread().name)))
    watch.after(0.0, lambda: seen.append(("first", threading.current_thread().name)))
    wait_for(lambda: len(seen) == 2)
    assert seen == [("first", "watch"), ("second", "watch")]
