"""RQ's own programs and classes beside real workers: what each shows and does, for a job in every state."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import rq
from redis import Redis
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation
from rq.job import Job, JobStatus
from rq.registry import (
    CanceledJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)
from rq.results import Result
from rq.serializers import JSONSerializer

from system.reference import Queue, connect
from system.reference.dead_letters import DeadLetters
from system.reference.operations import Operations
from tests.system.reference import jobs
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import Worker, lines, wait_until

Spawn = Callable[..., AbstractContextManager[Worker]]
PROGRAM = Path(sys.executable).with_name("rq")
LISTS = ("queue", "scheduled", "finished", "failed", "canceled", "wip", "sp:lease", "sp:dead")


@pytest.fixture
def raw(redis_server: RedisServer) -> Redis:
    """RQ wants bytes."""
    return Redis(port=redis_server.port)


@pytest.fixture
def rq_says(redis_server: RedisServer) -> Callable[..., str]:
    """Runs RQ's command line; its output, errors included."""

    def run(*words: str) -> str:
        command = [str(PROGRAM), words[0], "--url", redis_server.stock_url, *words[1:]]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


@contextmanager
def a_job_in_every_state(
    worker: Spawn, queue: Queue, redis_server: RedisServer, notes: Path, **settings: object
) -> Iterator[Worker]:
    """Two are finished, one dead after two attempts, one delayed, one cancelled, one runs, two wait behind it."""
    redis = redis_server.client()
    for job in ("done-1", "done-2"):
        queue.enqueue(jobs.add, 1, 2, job_id=job)
    queue.enqueue(jobs.fail, str(notes) + ".fail", job_id="dead", max_attempts=2)
    queue.enqueue(jobs.add, 1, 2, job_id="delayed", delay_s=600)
    queue.enqueue(jobs.add, 1, 2, job_id="cancelled", delay_s=600)
    Operations(connect(redis_server.url_of("operator"))).cancel("cancelled", "no longer wanted")
    with worker(extra=("--name", "our-worker"), lease_s=30, heartbeat_s=0.5, poll_s=0.5, **settings) as it:
        wait_until(lambda: redis.zcard("rq:finished:default") == 2 and redis.zcard("rq:sp:dead:default") == 1)
        queue.enqueue(jobs.nap, str(notes), 60, job_id="running")
        wait_until(lambda: redis.zcard("rq:wip:default"))
        for job in ("waiting-1", "waiting-2"):
            queue.enqueue(jobs.add, 1, 2, job_id=job)
        yield it


def snapshot(redis: Client) -> dict[str, list[str]]:
    """Every list and set of the queue, so that a reader can be seen to change none."""
    keys = [f"rq:{kind}:default" for kind in LISTS]
    return {key: redis.lrange(key, 0, -1) if key == "rq:queue:default" else redis.zrange(key, 0, -1) for key in keys}


def test_rq_info_shows_every_state_and_changes_none(
    worker: Spawn, queue: Queue, redis_server: RedisServer, notes: Path, rq_says: Callable[..., str]
) -> None:
    with a_job_in_every_state(worker, queue, redis_server, notes):
        redis = redis_server.client()
        before = snapshot(redis)
        counts = "2, 1 executing, 2 finished, 1 failed"
        assert f"queue default {counts}" in rq_says("info", "--raw")
        only_queues = rq_says("info", "--raw", "--only-queues")
        assert (f"queue default {counts}" in only_queues, "our-worker" in only_queues) == (True, False)
        only_workers = rq_says("info", "--raw", "--only-workers")
        assert "worker our-worker" in only_workers
        assert "busy default" in only_workers
        assert "queue default 2" not in only_workers
        for_people = rq_says("info", "--by-queue", "default")
        assert "default: our-worker (busy)" in for_people
        assert counts in for_people
        assert "1 workers, 1 queues" in for_people
        assert snapshot(redis) == before


def test_rqs_classes_read_a_job_in_every_state(
    worker: Spawn, queue: Queue, redis_server: RedisServer, notes: Path, raw: Redis
) -> None:
    with a_job_in_every_state(worker, queue, redis_server, notes):
        status = {job.id: job.get_status() for job in Job.fetch_many(every_job(), connection=raw) if job}
        assert status == {
            "done-1": JobStatus.FINISHED,
            "done-2": JobStatus.FINISHED,
            "dead": JobStatus.FAILED,
            "delayed": JobStatus.SCHEDULED,
            "cancelled": JobStatus.CANCELED,
            "running": JobStatus.STARTED,
            "waiting-1": JobStatus.QUEUED,
            "waiting-2": JobStatus.QUEUED,
        }
        running = Job.fetch("running", connection=raw)
        assert (running.worker_name, running.ended_at) == ("our-worker", None)
        assert running.started_at is not None
        assert rq.Queue("default", connection=raw).job_ids == ["waiting-1", "waiting-2"]
        registries = {
            FinishedJobRegistry: ["done-1", "done-2"],
            FailedJobRegistry: ["dead"],
            ScheduledJobRegistry: ["delayed"],
            CanceledJobRegistry: ["cancelled"],
            StartedJobRegistry: ["running"],
        }
        for kind, expected in registries.items():
            assert kind("default", connection=raw).get_job_ids() == expected
        scheduled = ScheduledJobRegistry("default", connection=raw)  # type: ignore[no-untyped-call]
        assert 0 < (scheduled.get_scheduled_time("delayed") - datetime.now(UTC)).total_seconds() <= 600


def every_job() -> list[str]:
    return ["done-1", "done-2", "dead", "delayed", "cancelled", "running", "waiting-1", "waiting-2"]


def test_rq_reads_a_dead_letter_beside_its_error_context(
    worker: Spawn, queue: Queue, raw: Redis, redis: Client, notes: Path
) -> None:
    """RQ sees each attempt with its traceback and steps over our fields; the context is there for who wants more."""
    queue.enqueue(jobs.fail, str(notes), job_id="j", description="a failing job")
    with worker(max_attempts=3, extra=("--name", "our-worker")):
        wait_until(lambda: redis.zscore("rq:sp:dead:default", "j"))
    job = Job.fetch("j", connection=raw)
    assert (job.is_failed, job.description, job.worker_name) == (True, "a failing job", "our-worker")
    assert job.ended_at is not None
    results = job.results()
    assert [result.type for result in results] == [Result.Type.FAILED] * 3
    assert all("ValueError: as asked" in str(result.exc_string) for result in results)
    contexts = [json.loads(fields["context"]) for _, fields in redis.xrange("rq:results:j")]
    assert [(each["attempt"], each["attempts_max"]) for each in contexts] == [(1, 3), (2, 3), (3, 3)]


def test_rq_requeue_gives_dead_letters_another_life(  # fixtures
    worker: Spawn, queue: Queue, redis: Client, notes: Path, rq_says: Callable[..., str], raw: Redis
) -> None:
    """One by its id, then all. Each starts afresh and leaves a line of the audit stream; the rest is refused."""
    queue.enqueue(jobs.add, 1, 2, job_id="done")
    for job in ("a", "b", "c"):
        queue.enqueue(jobs.fail, str(notes), job_id=job, max_attempts=1)
    with worker():
        wait_until(lambda: redis.zcard("rq:sp:dead:default") == 3)
    with pytest.raises(InvalidJobOperation):  # RQ's program catches another exception, so it would end with this one
        FailedJobRegistry("default", connection=raw).requeue("done")
    assert "Requeueing 1 jobs" in rq_says("requeue", "--queue", "default", "b")
    assert redis.lrange("rq:queue:default", 0, -1) == ["b"]
    assert Job.fetch("b", connection=raw).get_status() is JobStatus.QUEUED
    assert "Requeueing 2 jobs" in rq_says("requeue", "--queue", "default", "--all")
    assert "Nothing to do" in rq_says("requeue", "--queue", "default", "--all")
    assert sorted(redis.lrange("rq:queue:default", 0, -1)) == ["a", "b", "c"]
    with worker():
        wait_until(lambda: len(lines(notes)) == 6 and redis.zcard("rq:failed:default") == 3)
        wait_until(lambda: not redis.zcard("rq:sp:lease:default"))
    assert [line.split()[0] for line in lines(notes)] == ["1"] * 6, "each life counts from one"
    for job in ("a", "b", "c"):
        assert redis.hmget(f"rq:job:{job}", "attempts", "requeues", "dead_reason") == ["1", "1", "exhausted"]
    audited = [fields for _, fields in redis.xrange("rq:sp:audit")]
    assert sorted(each["job"] for each in audited if (each["actor"], each["action"]) == ("rq", "requeue")) == [
        "a",
        "b",
        "c",
    ]


def test_rq_empty_and_delete_take_waiting_jobs_away(
    worker: Spawn, queue: Queue, redis: Client, raw: Redis, notes: Path, rq_says: Callable[..., str]
) -> None:
    for job in ("deleted", "emptied", "kept"):
        queue.enqueue(jobs.tell, str(notes), job_id=job, delay_s=0.5 if job == "kept" else 0)
    Job.fetch("deleted", connection=raw).delete()
    assert "1 jobs removed from default" in rq_says("empty", "default")
    with worker():
        wait_until(lambda: lines(notes))
    assert [line.split()[0] for line in lines(notes)] == ["kept"]
    assert redis.exists("rq:job:deleted", "rq:job:emptied") == 0


def test_rqs_cancel_ends_a_waiting_or_delayed_job(
    worker: Spawn, queue: Queue, redis: Client, raw: Redis, notes: Path
) -> None:
    queue.enqueue(jobs.tell, str(notes), job_id="waiting")
    queue.enqueue(jobs.tell, str(notes), job_id="delayed", delay_s=600)
    queue.enqueue(jobs.tell, str(notes), job_id="behind")
    for job in ("waiting", "delayed"):
        Job.fetch(job, connection=raw).cancel()
    with worker():
        wait_until(lambda: redis.hget("rq:job:behind", "status") == "finished")
    assert [line.split()[0] for line in lines(notes)] == ["behind"]
    assert sorted(redis.zrange("rq:canceled:default", 0, -1)) == ["delayed", "waiting"]
    assert not redis.zcard("rq:scheduled:default")


def test_rqs_cancel_of_a_running_job_ends_nothing(
    worker: Spawn, queue: Queue, redis: Client, raw: Redis, notes: Path
) -> None:
    """It changes RQ's status; validity depends on the lease, so the run goes on and its outcome stands."""
    with worker(clean_interval_s=0.2):
        queue.enqueue(jobs.nap, str(notes), 1, job_id="j")
        wait_until(lambda: redis.zcard("rq:wip:default"))
        Job.fetch("j", connection=raw).cancel()
        wait_until(lambda: redis.hget("rq:job:j", "status") == "finished")
        wait_until(lambda: not redis.zcard("rq:canceled:default"))  # RQ's entry is over at once: the clean-up takes it
    assert [line.split()[0] for line in lines(notes)] == ["start", "end"]
    assert redis.zrange("rq:finished:default", 0, -1) == ["j"]


def test_a_dead_letter_that_rq_deleted_can_be_discarded(
    worker: Spawn, queue: Queue, redis_server: RedisServer, raw: Redis, notes: Path
) -> None:
    """RQ knows nothing of our set of dead letters: the id stays in it, without a record, and is still told of."""
    for job in ("deleted", "other"):
        queue.enqueue(jobs.fail, str(notes), job_id=job, max_attempts=1)
    with worker():
        wait_until(lambda: raw.zcard("rq:sp:dead:default") == 2)
    Job.fetch("deleted", connection=raw).delete()
    letters = DeadLetters(connect(redis_server.url_of("operator")))
    found = {letter.job_id: letter for letter in letters.find()}
    assert (found["deleted"].reason, found["other"].reason) == ("", "exhausted")
    for _ in range(2):  # again, as after a lost reply
        letters.discard(found["deleted"], "RQ has deleted it")
    assert raw.zrange("rq:sp:dead:default", 0, -1) == [b"other"]
    assert raw.hget("rq:job:other", "dead_reason") == b"exhausted"


def test_rqs_suspend_and_stop_command_do_nothing_here(
    worker: Spawn, queue: Queue, redis: Client, raw: Redis, notes: Path, rq_says: Callable[..., str]
) -> None:
    """They speak to stock workers. Ours are paused by `stormq pause`, and end a job on `stormq cancel`."""
    rq_says("suspend")
    with worker():
        queue.enqueue(jobs.nap, str(notes), 1, job_id="j")
        wait_until(lambda: redis.zcard("rq:wip:default"))
        send_stop_job_command(raw, "j")
        wait_until(lambda: redis.hget("rq:job:j", "status") == "finished")
    assert [line.split()[0] for line in lines(notes)] == ["start", "end"]


def test_a_stock_job_in_another_serialiser_ends_as_unserialisable(worker: Spawn, raw: Redis, redis: Client) -> None:
    stock = rq.Queue("default", connection=raw, serializer=JSONSerializer)
    job = stock.enqueue(jobs.nothing)
    with worker():
        wait_until(lambda: redis.zscore("rq:sp:dead:default", job.id))
    assert redis.hget(f"rq:job:{job.id}", "dead_reason") == "unserialisable"
