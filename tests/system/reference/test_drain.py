"""SIGTERM: nothing that has begun is lost, nothing that has not begun is counted, and the worker is gone in time."""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from system.reference import Queue
from tests.system.reference import jobs
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import Worker, is_gone, lines, wait_until

Spawn = Callable[..., AbstractContextManager[Worker]]


def test_running_job_ends_within_the_grace_period(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    with worker(drain_s=20) as it:
        queue.enqueue(jobs.nap, str(notes), 0.5, job_id="j")
        queue.enqueue(jobs.nap, str(notes), 0.5, job_id="next")
        wait_until(lambda: lines(notes))
        assert it.terminate() == 0
    assert redis.hget("rq:job:j", "status") == "finished"
    assert redis.lrange("rq:queue:default", 0, -1) == ["next"]
    assert len(lines(notes)) == 2


def test_job_that_outlives_the_grace_period_is_given_back_uncounted(
    worker: Spawn, queue: Queue, redis: Client, notes: Path
) -> None:
    with worker(drain_s=0.3) as it:
        queue.enqueue(jobs.swallow, str(notes), 60, job_id="j")
        wait_until(lambda: lines(notes))
        assert it.terminate() == 0
        assert is_gone(int(lines(notes)[0].split()[1]))
    record = redis.hgetall("rq:job:j")
    assert record["status"] == "queued"
    assert not {"attempts", "crashes", "stalls"} & set(record)
    assert redis.lrange("rq:queue:default", 0, -1) == ["j"]
    assert redis.zcard("rq:sp:lease:default") == 0
    assert redis.zcard("rq:wip:default") == 0


def test_second_signal_does_not_wait(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    with worker(drain_s=600) as it:
        queue.enqueue(jobs.nap, str(notes), 60, job_id="j")
        wait_until(lambda: lines(notes))
        os.kill(it.pid, signal.SIGTERM)
        wait_until(lambda: len(it.slots()) == 1)  # the spare is gone: the first was heeded
        assert it.terminate() == 0
    assert redis.hget("rq:job:j", "status") == "queued"


def test_idle_worker_leaves_at_once_and_off_rqs_lists(worker: Spawn, redis: Client) -> None:
    with worker(drain_s=600, poll_s=30, lease_s=120, slots=2) as it:
        wait_until(lambda: redis.smembers("rq:workers"))
        wait_until(lambda: len(it.slots()) == 3)
        assert it.terminate(within_s=15) == 0
    assert not redis.smembers("rq:workers")


def test_stop_during_an_outage_does_not_hang(
    worker: Spawn, queue: Queue, redis_server: RedisServer, notes: Path
) -> None:
    with worker(drain_s=0.5) as it:
        queue.enqueue(jobs.nap, str(notes), 0.2, job_id="j")
        wait_until(lambda: lines(notes))
        redis_server.kill()
        assert it.terminate() == 0
    redis_server.start()
