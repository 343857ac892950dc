"""Whatever is killed or frozen, in whatever way: no job is lost, and no zombie changes a record."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from system.reference import Queue
from tests.system.reference import jobs
from tests.system.reference.server import Client
from tests.system.reference.workers import Worker, is_gone, lines, wait_until

Spawn = Callable[..., AbstractContextManager[Worker]]


def finished(redis: Client, job: str) -> bool:
    return bool(redis.hget(f"rq:job:{job}", "status") == "finished")


def nothing_held(redis: Client) -> bool:
    return not redis.exists("rq:sp:lease:default", "rq:queue:default")


def slot_of(notes: Path) -> int:
    wait_until(lambda: lines(notes))
    return int(lines(notes)[0].split()[-1])


def test_killed_slot_gives_its_job_back_at_once(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    """Not after the lease: that lasts far longer than the test waits."""
    with worker(lease_s=120, heartbeat_s=40) as it:
        queue.enqueue(jobs.nap_once, str(notes), 60, job_id="j")
        os.kill(slot_of(notes), signal.SIGKILL)
        wait_until(lambda: finished(redis, "j"))
        assert redis.hget("rq:job:j", "crashes") == "1"
        assert it.process.poll() is None
    assert nothing_held(redis)


def test_supervisor_killed_ends_its_slots_and_the_job_runs_elsewhere(
    worker: Spawn, queue: Queue, redis: Client, notes: Path
) -> None:
    with worker() as first:
        queue.enqueue(jobs.nap_once, str(notes), 60, job_id="j")
        slot = slot_of(notes)
        os.kill(first.pid, signal.SIGKILL)
        wait_until(lambda: is_gone(slot))
        with worker():
            wait_until(lambda: finished(redis, "j"))
    assert redis.hget("rq:job:j", "stalls") == "1"
    assert redis.hget("rq:job:j", "crashes") is None


def test_whole_tree_killed_and_a_new_worker_takes_over(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    with worker() as first:
        queue.enqueue(jobs.nap_once, str(notes), 60, job_id="j")
        slot_of(notes)
        first.kill_tree()
        with worker():
            wait_until(lambda: finished(redis, "j"))
    assert redis.hget("rq:job:j", "stalls") == "1"


def test_spare_killed_is_replaced(worker: Spawn, queue: Queue, redis: Client) -> None:
    with worker() as it:
        wait_until(lambda: len(it.slots()) == 2)
        for pid in it.slots():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(it.slots()) == 2)
        queue.enqueue(jobs.add, 1, 2, job_id="j")
        wait_until(lambda: finished(redis, "j"))


def test_zombie_cannot_complete(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    """Frozen past its lease, its job run elsewhere, then thawed: its outcome must change nothing."""
    with worker() as zombie:
        queue.enqueue(jobs.nap_once, str(notes), 0.4, job_id="j")
        slot = slot_of(notes)
        zombie.freeze()
        with worker() as other:
            wait_until(lambda: finished(redis, "j"))
            record = redis.hgetall("rq:job:j")
            zombie.thaw()
            wait_until(lambda: slot not in zombie.slots() or len(lines(notes)) == 4)
            queue.enqueue(jobs.add, 1, 1, job_id="after")
            wait_until(lambda: finished(redis, "after"))
            assert redis.hgetall("rq:job:j") == record
            assert other.process.poll() is None
        assert zombie.process.poll() is None
    assert record["stalls"] == "1"


def test_slot_that_cannot_be_started_now_is_started_later(
    worker: Spawn, queue: Queue, redis: Client, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here Python is gone for a while; no room for a process is told to the supervisor in the same way."""
    python, home = tmp_path / "bin" / "python", Path(sys.prefix)
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    for name in ("lib", "pyvenv.cfg"):
        (tmp_path / name).symlink_to(home / name)
    monkeypatch.setattr(sys, "executable", str(python))
    with worker() as it:
        queue.enqueue(jobs.nap, str(notes), 2, job_id="long")
        napping = slot_of(notes)
        wait_until(lambda: len(it.slots()) == 2)
        python.rename(tmp_path / "away")
        os.kill(next(pid for pid in it.slots() if pid != napping), signal.SIGKILL)
        wait_until(lambda: "could not be started" in it.log())
        wait_until(lambda: finished(redis, "long"))
        (tmp_path / "away").rename(python)
        wait_until(lambda: len(it.slots()) == 2)
        queue.enqueue(jobs.nothing, job_id="next")
        wait_until(lambda: finished(redis, "next"))
    assert len(lines(notes)) == 2, "the job that ran meanwhile ran once"


def test_slot_that_a_body_left_hung_is_replaced(worker: Spawn, queue: Queue, redis: Client) -> None:
    with worker(lease_s=0.4, heartbeat_s=0.1, poll_s=0.2) as it:
        wait_until(lambda: redis.exists("rq:sp:sweep:default"))
        queue.enqueue(jobs.leave_a_thread_that_stops_all_others, job_id="j")
        wait_until(lambda: finished(redis, "j"))
        before = it.slots()
        wait_until(lambda: len(set(before) - set(it.slots())) == 1)
        queue.enqueue(jobs.nothing, job_id="next")
        wait_until(lambda: finished(redis, "next"))
    assert nothing_held(redis)


def test_short_freeze_repeats_nothing(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    with worker(lease_s=30, heartbeat_s=1) as it:
        queue.enqueue(jobs.nap, str(notes), 0.5, job_id="j")
        slot_of(notes)
        it.freeze()
        it.thaw()
        wait_until(lambda: finished(redis, "j"))
    assert [line.split()[0] for line in lines(notes)] == ["start", "end"]


def test_job_that_kills_its_slot_ends_as_a_dead_letter(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    with worker():
        queue.enqueue(jobs.exit_with, str(notes), 7, job_id="poison")
        queue.enqueue(jobs.add, 1, 2, job_id="behind")
        wait_until(lambda: redis.zscore("rq:sp:dead:default", "poison"))
        wait_until(lambda: finished(redis, "behind"))
    assert redis.hget("rq:job:poison", "dead_reason") == "crashed"
    assert redis.hget("rq:job:poison", "attempts") is None
    assert len(lines(notes)) == 3


@pytest.mark.slow
def test_job_that_kills_its_whole_worker_ends_as_a_dead_letter(
    worker: Spawn, queue: Queue, redis: Client, notes: Path
) -> None:
    queue.enqueue(jobs.kill_worker, str(notes), job_id="poison")
    for run in range(1, 4):
        with worker() as it:
            wait_until(partial(lambda wanted: len(lines(notes)) == wanted, run))
            it.process.wait(10)
    with worker():
        wait_until(lambda: redis.zscore("rq:sp:dead:default", "poison"))
    assert redis.hget("rq:job:poison", "dead_reason") == "stalled"
    assert redis.hget("rq:job:poison", "stalls") == "3"


@pytest.mark.slow
def test_job_that_kills_the_only_worker_ends_as_a_dead_letter_while_a_loop_restarts_it(
    worker: Spawn, queue: Queue, redis: Client, notes: Path
) -> None:
    """As a container's platform does: nobody else is there to sweep. Whoever waits behind it is served in the end."""
    queue.enqueue(jobs.kill_worker, str(notes), job_id="poison")
    queue.enqueue(jobs.kill_worker, str(notes), job_id="another")
    queue.enqueue(jobs.add, 1, 2, job_id="behind")
    over = threading.Event()
    starts: list[int] = []

    def restart() -> None:
        while not over.is_set():
            with worker() as it:
                starts.append(it.pid)
                while it.process.poll() is None and not over.wait(0.02):
                    pass

    loop = threading.Thread(target=restart)
    loop.start()
    try:
        wait_until(lambda: redis.zcard("rq:sp:dead:default") == 2, within_s=90)
        wait_until(lambda: finished(redis, "behind"))
    finally:
        over.set()
        loop.join()
    for job in ("poison", "another"):
        record = redis.hgetall(f"rq:job:{job}")
        assert (record["dead_reason"], record["stalls"]) == ("stalled", "3")
        assert "crashes" not in record
    assert len(lines(notes)) == 6
    assert len(starts) == 7, "it was killed six times, and then no more"
    assert nothing_held(redis)


def test_children_of_a_job_end_with_its_slot(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    """When the slot is killed and when it dies by itself; also a daemon, which has left group, session and parent."""
    with worker(timeout_s=0.3, grace_s=0.1, max_attempts=1, max_crashes=1):
        queue.enqueue(jobs.crash_with_daemon, str(notes), job_id="crash")
        wait_until(lambda: redis.zscore("rq:sp:dead:default", "crash"))
        wait_until(lambda: all(is_gone(int(line.split()[1])) for line in lines(notes)))
        assert [line.split()[0] for line in lines(notes)] == ["daemon", "child"]
        queue.enqueue(jobs.with_deaf_child, str(notes), job_id="hang")
        wait_until(lambda: redis.zscore("rq:sp:dead:default", "hang"))
        wait_until(lambda: is_gone(int(lines(notes)[2].split()[1])))
