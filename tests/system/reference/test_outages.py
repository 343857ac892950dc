"""Redis goes away in every way: workers stay, nothing acknowledged is lost, outcomes are offered until answered."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from system.reference import EnqueueError, Queue, Rejected, Settings, connect
from tests.system.reference import jobs
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import Worker, is_gone, lines, wait_until

Spawn = Callable[..., AbstractContextManager[Worker]]


def test_restart_under_load_loses_nothing(worker: Spawn, queue: Queue, redis_server: RedisServer, notes: Path) -> None:
    with worker(slots=2) as it:
        for number in range(60):
            queue.enqueue(jobs.nap, str(notes), 0.02, job_id=f"j{number}")
        wait_until(lambda: len(lines(notes)) >= 20)
        redis_server.kill()
        time.sleep(0.5)
        redis_server.start()
        redis = redis_server.client()
        wait_until(lambda: redis.zcard("rq:finished:default") == 60)
        assert it.process.poll() is None
        assert redis.zcard("rq:sp:lease:default") == 0


def test_outcome_is_offered_until_it_is_answered(
    worker: Spawn, queue: Queue, redis_server: RedisServer, notes: Path
) -> None:
    """The body ends while Redis is away for longer than the lease; nobody else was there to take the job."""
    with worker() as it:
        queue.enqueue(jobs.nap, str(notes), 0.3, job_id="j")
        wait_until(lambda: lines(notes))
        redis_server.kill()
        wait_until(lambda: len(lines(notes)) == 2)
        time.sleep(1.5)
        assert it.process.poll() is None
        redis_server.start()
        redis = redis_server.client()
        wait_until(lambda: redis.hget("rq:job:j", "status") == "finished")
    assert len(lines(notes)) == 2
    assert redis.hget("rq:job:j", "stalls") is None


def test_worker_that_cannot_renew_stops_its_bodies_in_time(
    worker: Spawn, queue: Queue, redis_server: RedisServer, notes: Path
) -> None:
    with worker(lease_s=1.5, heartbeat_s=0.3) as it:
        queue.enqueue(jobs.nap_once, str(notes), 60, job_id="j")
        wait_until(lambda: lines(notes))
        slot = int(lines(notes)[0].split()[1])
        redis_server.kill()
        killed_s = time.time()
        wait_until(lambda: is_gone(slot))
        assert time.time() - killed_s > 0.5, "a lease that is renewed must not be given up at the first failure"
        assert it.process.poll() is None
        redis_server.start()
        redis = redis_server.client()
        wait_until(lambda: redis.hget("rq:job:j", "status") == "finished")
    record = redis.hgetall("rq:job:j")
    assert record["drops"] == "1"
    assert "stalls" not in record, "Redis was away: that is not the job's fault"


def test_cut_connections_repeat_nothing(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    with worker(slots=2, lease_s=30, heartbeat_s=0.3):
        for number in range(100):
            queue.enqueue(jobs.nap, str(notes), 0.01, job_id=f"j{number}")
        while redis.zcard("rq:finished:default") < 100:
            redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            time.sleep(0.1)
    starts = [line.split()[1] for line in lines(notes) if line.startswith("start")]
    assert sorted(starts) == sorted(f"j{number}" for number in range(100))


def test_scripts_flushed_are_loaded_again(worker: Spawn, queue: Queue, redis: Client) -> None:
    with worker():
        queue.enqueue(jobs.add, 1, 2, job_id="a")
        wait_until(lambda: redis.hget("rq:job:a", "status") == "finished")
        redis.script_flush()
        queue.enqueue(jobs.add, 1, 2, job_id="b")
        wait_until(lambda: redis.hget("rq:job:b", "status") == "finished")


def test_demotion_and_promotion_of_the_server_loses_nothing(worker: Spawn, queue: Queue, redis: Client) -> None:
    """Reads go on, writes are refused, then allowed again."""
    with worker(slots=2):
        queue.enqueue(jobs.add, 1, 2, job_id="a")
        wait_until(lambda: redis.hget("rq:job:a", "status") == "finished")
        redis.replicaof("127.0.0.1", 1)
        time.sleep(0.5)
        redis.replicaof("NO", "ONE")
        assert queue.enqueue(jobs.add, 1, 2, job_id="b").outcome == "applied"
        wait_until(lambda: redis.hget("rq:job:b", "status") == "finished")


def test_foreign_wake_key_costs_a_poll_not_a_processor(worker: Spawn, queue: Queue, redis: Client) -> None:
    redis.set("rq:sp:wake:default", "foreign")
    with worker() as it:
        wait_until(lambda: redis.exists("rq:sp:sweep:default"))
        before = redis.info("stats")["total_commands_processed"]
        time.sleep(1)
        assert redis.info("stats")["total_commands_processed"] - before < 200
        redis.delete("rq:sp:wake:default")
        queue.enqueue(jobs.add, 1, 2, job_id="a")
        wait_until(lambda: redis.hget("rq:job:a", "status") == "finished")
        assert it.process.poll() is None


def test_forgotten_slot_is_replaced(worker: Spawn, queue: Queue, redis: Client) -> None:
    """FLUSHALL under a worker: its incarnations are unknown, so it takes new ones."""
    with worker(slots=2):
        queue.enqueue(jobs.add, 1, 2, job_id="a")
        wait_until(lambda: redis.hget("rq:job:a", "status") == "finished")
        redis.flushall()
        queue.enqueue(jobs.add, 1, 2, job_id="b")
        wait_until(lambda: redis.hget("rq:job:b", "status") == "finished")


def test_burst_of_a_thousand_threads_loses_nothing(redis_server: RedisServer, redis: Client) -> None:
    queue = Queue("default", connect(redis_server.url, connections_max=16), Settings())
    failures: list[Exception] = []
    barrier = threading.Barrier(1000)

    def produce(number: int) -> None:
        barrier.wait()
        try:
            queue.enqueue(jobs.nothing, job_id=f"j{number}")
        except EnqueueError as error:
            failures.append(error)

    threads = [threading.Thread(target=produce, args=(number,)) for number in range(1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(redis.lrange("rq:queue:default", 0, -1)) == sorted(f"j{number}" for number in range(1000))


def test_enqueue_outlives_a_short_outage(redis_server: RedisServer) -> None:
    queue = Queue("default", connect(redis_server.url), Settings(enqueue_timeout_s=20))
    queue.enqueue(jobs.nothing, job_id="before")
    redis_server.kill()
    outcome: list[str] = []
    thread = threading.Thread(target=lambda: outcome.append(queue.enqueue(jobs.nothing, job_id="during").outcome))
    thread.start()
    time.sleep(0.3)
    redis_server.start()
    thread.join()
    assert outcome == ["applied"]
    assert redis_server.client().lrange("rq:queue:default", 0, -1) == ["before", "during"]


def test_refused_connection_is_a_rejection(redis_server: RedisServer) -> None:
    """No byte was ever sent, so nothing can have happened."""
    redis_server.kill()
    queue = Queue("default", connect(redis_server.url), Settings(enqueue_timeout_s=0.3))
    try:
        queue.enqueue(jobs.nothing)
    except Rejected:
        pass
    else:
        raise AssertionError("it was not rejected")
    redis_server.start()


def test_connections_are_named(worker: Spawn, queue: Queue, redis: Client) -> None:
    """CLIENT LIST tells who is who: a fault that hits a connection is known to have hit that process."""
    queue.enqueue(jobs.nothing)
    with worker(extra=("--name", "w1")) as it:
        wanted = {f"stormq:w1:supervisor:{it.pid}"}

        def named() -> bool:
            names = {each["name"] for each in redis.client_list()}
            slots = {f"stormq:w1:slot:{pid}" for pid in it.slots()}
            return wanted <= names and bool(slots & names) and any(f":producer:{os.getpid()}" in name for name in names)

        wait_until(named)
