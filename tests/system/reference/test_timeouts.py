"""The soft timeout is an exception in the body; the hard one ends whatever outlived it. Each counts as an attempt."""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from system.reference import Queue
from tests.system.reference import jobs
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import Worker, is_gone, lines, wait_until

Spawn = Callable[..., AbstractContextManager[Worker]]


def dead(redis: Client, job: str) -> bool:
    return redis.zscore("rq:sp:dead:default", job) is not None


def test_soft_timeout_ends_the_body_and_retires_its_slot(
    worker: Spawn, queue: Queue, redis: Client, redis_server: RedisServer, notes: Path
) -> None:
    """With it go connections and threads that the body has left; a warm slot takes the next job."""
    with worker(timeout_s=0.3, grace_s=1, max_attempts=2) as it:
        queue.enqueue(jobs.linger, str(notes), redis_server.port, job_id="j")
        wait_until(lambda: dead(redis, "j"))
        slots, ports = zip(*map(str.split, lines(notes)), strict=True)
        assert len(set(slots)) == 2
        wait_until(lambda: all(is_gone(int(slot)) for slot in slots))
        wait_until(lambda: not {each["addr"].rpartition(":")[2] for each in redis.client_list()} & set(ports))
        queue.enqueue(jobs.add, 1, 2, job_id="next")
        wait_until(lambda: redis.hget("rq:job:next", "status") == "finished")
        assert it.log().count("retires after a timeout") == 2
    record = redis.hgetall("rq:job:j")
    assert (record["attempts"], record["timeouts"], record["dead_reason"]) == ("2", "2", "timeout")
    assert "crashes" not in record


def test_hang_in_c_is_killed(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    with worker(timeout_s=0.3, grace_s=0.2, max_attempts=2):
        queue.enqueue(jobs.hang_in_c, str(notes), 60, job_id="j")
        queue.enqueue(jobs.add, 1, 2, job_id="behind")
        wait_until(lambda: dead(redis, "j"))
        wait_until(lambda: redis.hget("rq:job:behind", "status") == "finished")
    record = redis.hgetall("rq:job:j")
    assert (record["attempts"], record["timeouts"], record["dead_reason"]) == ("2", "2", "timeout")
    assert "crashes" not in record
    assert [line.split()[0] for line in lines(notes)] == ["run", "run"]


@pytest.mark.parametrize("how", ["c", "gil", "deaf"])
def test_job_that_outlives_its_soft_timeout_is_killed_with_all_it_left(
    worker: Spawn, queue: Queue, redis: Client, notes: Path, how: str
) -> None:
    """It blocks in C, holds the GIL, or is deaf to signals and exceptions. A warm slot takes the next job."""
    with worker(timeout_s=0.3, grace_s=0.3, max_attempts=1) as it:
        queue.enqueue(jobs.hang, str(notes), how, job_id="j")
        wait_until(lambda: lines(notes) and len(it.slots()) == 2)
        warm = it.slots()
        queue.enqueue(jobs.tell, f"{notes}.behind", job_id="behind")
        slot, child, folder = lines(notes)[0].split()
        assert Path(folder).parent in it.leftovers()
        wait_until(lambda: dead(redis, "j"))
        wait_until(lambda: lines(Path(f"{notes}.behind")))
        assert int(lines(Path(f"{notes}.behind"))[0].split()[-1]) in {*warm} - {int(slot)}
        wait_until(lambda: is_gone(int(slot)) and is_gone(int(child)))
        wait_until(lambda: not Path(folder).parent.exists())
    assert redis.hget("rq:job:j", "dead_reason") == "timeout"
    if how == "deaf":
        assert "swallowed" in lines(notes)


def test_hard_timeout_holds_while_the_supervisor_is_frozen(
    worker: Spawn, queue: Queue, redis: Client, notes: Path
) -> None:
    """The slot's own timer kills it; the thawed supervisor counts a timeout, no crash, and clears up."""
    with worker(timeout_s=0.3, grace_s=0.4, max_attempts=1, lease_s=30, heartbeat_s=5) as it:
        queue.enqueue(jobs.hang, str(notes), "gil", job_id="j")
        wait_until(lambda: lines(notes))
        os.kill(it.pid, signal.SIGSTOP)
        slot, child, folder = lines(notes)[0].split()
        wait_until(lambda: is_gone(int(slot)))
        os.kill(it.pid, signal.SIGCONT)
        wait_until(lambda: dead(redis, "j"))
        wait_until(lambda: is_gone(int(child)) and not Path(folder).parent.exists())
        queue.enqueue(jobs.add, 1, 2, job_id="next")
        wait_until(lambda: redis.hget("rq:job:next", "status") == "finished")
    assert redis.hget("rq:job:j", "dead_reason") == "timeout"
    assert redis.hget("rq:job:j", "crashes") is None


def test_job_may_bring_its_own_timeout(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    with worker(timeout_s=60, max_attempts=1):
        queue.enqueue(jobs.nap, str(notes), 60, job_id="j", timeout_s=0.25)
        wait_until(lambda: dead(redis, "j"))
    assert redis.hget("rq:job:j", "dead_reason") == "timeout"


def test_last_failure_decides_the_reason(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    """A timeout first, an error last: exhausted."""
    with worker(timeout_s=0.3, max_attempts=2):
        queue.enqueue(jobs.nap_then_fail, str(notes), job_id="j")
        wait_until(lambda: dead(redis, "j"))
    record = redis.hgetall("rq:job:j")
    assert (record["attempts"], record["timeouts"], record["dead_reason"]) == ("2", "1", "exhausted")


def test_sys_exit_in_a_job_is_a_failure_not_a_crash(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    with worker(max_attempts=2):
        queue.enqueue(jobs.leave, str(notes), job_id="j")
        wait_until(lambda: dead(redis, "j"))
    record = redis.hgetall("rq:job:j")
    assert record["attempts"] == "2"
    assert "crashes" not in record
