"""RQ's own readers and producers beside ours: this guards the pin on RQ 3.0."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import rq
from redis import Redis
from rq import Callback, Repeat, Retry
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.results import Result

from system.reference import Queue
from tests.system.reference import jobs
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import Worker, lines, wait_until

Spawn = Callable[..., AbstractContextManager[Worker]]


@pytest.fixture
def raw(redis_server: RedisServer) -> Redis:
    """RQ wants bytes."""
    return Redis(port=redis_server.port)


@pytest.fixture
def stock(raw: Redis) -> rq.Queue:
    return rq.Queue("default", connection=raw)


def reason_of(redis: Client, job: str) -> str | None:
    reason = redis.hget(f"rq:job:{job}", "dead_reason")
    return reason if isinstance(reason, str) else None


def test_rq_reads_our_jobs_in_every_state(worker: Spawn, queue: Queue, raw: Redis, notes: Path) -> None:
    queue.enqueue(jobs.add, 1, b=2, job_id="done", description="a sum")
    queue.enqueue(jobs.fail, str(notes), job_id="failed", max_attempts=1)
    queue.enqueue(jobs.add, 1, 2, job_id="later", delay_s=600)
    assert Job.fetch("done", connection=raw).get_status() is JobStatus.QUEUED
    assert rq.Queue("default", connection=raw).job_ids == ["done", "failed"]
    with worker():
        wait_until(lambda: raw.zscore("rq:sp:dead:default", "failed"))
        queue.enqueue(jobs.nap, str(notes), 60, job_id="running")
        wait_until(lambda: raw.zcard("rq:wip:default"))
        assert StartedJobRegistry("default", connection=raw).get_job_ids() == ["running"]
        running = Job.fetch("running", connection=raw)
        assert (running.get_status(), running.worker_name is not None) == (JobStatus.STARTED, True)
    done = Job.fetch("done", connection=raw)
    assert (done.func_name, done.args, done.kwargs) == ("tests.system.reference.jobs.add", (1,), {"b": 2})
    assert (done.get_status(), done.return_value(), done.description) == (JobStatus.FINISHED, 3, "a sum")
    assert done.started_at is not None
    assert done.ended_at is not None
    assert done.started_at <= done.ended_at
    assert FinishedJobRegistry("default", connection=raw).get_job_ids() == ["done"]
    assert FailedJobRegistry("default", connection=raw).get_job_ids() == ["failed"]
    scheduled = ScheduledJobRegistry("default", connection=raw)  # type: ignore[no-untyped-call]
    assert scheduled.get_job_ids() == ["later"]
    result = Job.fetch("failed", connection=raw).latest_result()
    assert result is not None
    assert result.type is Result.Type.FAILED
    assert "ValueError: as asked" in str(result.exc_string)


def test_rq_info_counts_and_lists(worker: Spawn, queue: Queue, redis_server: RedisServer, notes: Path) -> None:
    for number in range(3):
        queue.enqueue(jobs.add, 1, number)
    queue.enqueue(jobs.fail, str(notes), job_id="failed", max_attempts=1)
    redis = redis_server.client()
    with worker(extra=("--name", "our-worker")):
        wait_until(lambda: redis.zcard("rq:finished:default") == 3 and redis.zcard("rq:failed:default") == 1)
        program = Path(sys.executable).with_name("rq")
        shown = subprocess.run(
            [program, "info", "--raw", "--url", redis_server.stock_url], capture_output=True, text=True, check=True
        ).stdout
    assert "queue default 0, 0 executing, 3 finished, 1 failed" in shown
    assert "our-worker" in shown
    assert redis.zcard("rq:sp:dead:default") == 1, "rq's clean-up must not cost a dead letter"


def test_stock_job_is_run(worker: Spawn, stock: rq.Queue, redis: Client) -> None:
    job = stock.enqueue(jobs.add, 20, 22)
    bound = stock.enqueue(jobs.Greeter("rq").greet)
    awaited = stock.enqueue(jobs.coroutine)
    with worker():
        wait_until(lambda: redis.zcard("rq:finished:default") == 3)
    assert [each.return_value(refresh=True) for each in (job, bound, awaited)] == [42, "hello rq", "awaited"]


def test_stock_schedule_is_kept(worker: Spawn, stock: rq.Queue, redis: Client) -> None:
    due = stock.enqueue_at(datetime.now(UTC) - timedelta(seconds=5), jobs.add, 1, 2)
    later = stock.enqueue_in(timedelta(hours=1), jobs.add, 1, 2)
    with worker():
        wait_until(lambda: redis.hget(f"rq:job:{due.id}", "status") == "finished")
    assert redis.zscore("rq:scheduled:default", later.id) is not None


def test_stock_retry_is_honoured(worker: Spawn, stock: rq.Queue, redis: Client, notes: Path) -> None:
    job = stock.enqueue(jobs.fail, str(notes), retry=Retry(max=2, interval=[0, 0]))
    once = stock.enqueue(jobs.exit_with, str(notes) + "2", 0)
    with worker(max_attempts=9, max_crashes=1):
        wait_until(lambda: reason_of(redis, job.id) == "exhausted")
        wait_until(lambda: reason_of(redis, once.id) == "crashed")
    assert [line.split()[0] for line in lines(notes)] == ["1", "2", "3"]
    job.refresh()  # type: ignore[no-untyped-call]
    assert (job.retries_left, job.number_of_retries) == (0, 2)


def test_stock_retry_interval_delays(worker: Spawn, stock: rq.Queue, redis: Client, notes: Path) -> None:
    job = stock.enqueue(jobs.fail, str(notes), retry=Retry(max=1, interval=3600))
    with worker():
        wait_until(lambda: redis.zscore("rq:scheduled:default", job.id))
    assert len(lines(notes)) == 1


def test_stock_job_without_retry_has_one_attempt(worker: Spawn, stock: rq.Queue, redis: Client, notes: Path) -> None:
    job = stock.enqueue(jobs.fail, str(notes))
    with worker(max_attempts=9):
        wait_until(lambda: reason_of(redis, job.id) == "exhausted")
    assert len(lines(notes)) == 1


def test_what_is_not_implemented_ends_as_unsupported(
    worker: Spawn, stock: rq.Queue, redis: Client, notes: Path
) -> None:
    path = str(notes)
    parent = stock.enqueue(jobs.tell, path)
    stock.enqueue(jobs.tell, path, depends_on=parent)
    asked = [
        parent,
        stock.enqueue(jobs.tell, path, on_success=Callback(jobs.nothing)),
        stock.enqueue(jobs.tell, path, on_failure=Callback(jobs.nothing)),
        stock.enqueue(jobs.tell, path, repeat=Repeat(times=2)),
        stock.enqueue(jobs.tell, path, job_id="x" * 17_000),
    ]
    with worker():
        wait_until(lambda: all(reason_of(redis, job.id) == "unsupported" for job in asked))
    assert lines(notes) == []


def test_what_cannot_be_found_or_read_ends_as_unserialisable(
    worker: Spawn, queue: Queue, stock: rq.Queue, redis: Redis
) -> None:
    queue.enqueue("tests.system.reference.jobs.no_such_function", job_id="missing")
    queue.enqueue("no_such_module.function", job_id="module")
    broken = stock.enqueue(jobs.nothing)
    redis.hset(f"rq:job:{broken.id}", "data", "no pickle")
    with worker():
        wait_until(lambda: all(reason_of(redis, j) == "unserialisable" for j in ("missing", "module", broken.id)))


def test_stock_requeue_of_a_dead_letter_runs_it_again(worker: Spawn, queue: Queue, raw: Redis, notes: Path) -> None:
    queue.enqueue(jobs.fail, str(notes), job_id="j", max_attempts=1)
    with worker():
        wait_until(lambda: raw.zscore("rq:sp:dead:default", "j"))
        FailedJobRegistry("default", connection=raw).requeue("j")
        wait_until(lambda: len(lines(notes)) == 2)
        wait_until(lambda: raw.zscore("rq:sp:dead:default", "j"))
    assert raw.hget("rq:job:j", "attempts") == b"1"


def test_result_that_cannot_be_stored_fails_no_job(worker: Spawn, queue: Queue, raw: Redis) -> None:
    queue.enqueue(jobs.unpicklable, job_id="j")
    with worker():
        wait_until(lambda: raw.hget("rq:job:j", "status") == b"finished")
    assert Job.fetch("j", connection=raw).return_value() == "Unserializable return value"


def test_prefix_is_shared_with_rq(redis_server: RedisServer) -> None:
    """One environment variable moves both, braces (one Cluster slot) included."""
    program = (
        "import sys; from redis import Redis; import rq; from system.reference import Queue\n"
        "from rq.job import Job\n"
        f"redis = Redis(port={redis_server.port})\n"
        f"Queue('default', {redis_server.stock_url!r}).enqueue('operator.add', 1, 2, job_id='j')\n"
        "assert Job.fetch('j', connection=redis).args == (1, 2)\n"
        "assert rq.Queue('default', connection=redis).job_ids == ['j']\n"
        "assert all(key.startswith(b'{team}') for key in redis.keys()), redis.keys()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"RQ_KEY_PREFIX": "{team}"})
