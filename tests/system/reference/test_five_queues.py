"""The shipped configuration of the audit's five queues, as it is, with real workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from system.reference import Queue, connect
from system.reference.config_file import load_config
from system.reference.health import health, readiness
from tests.system.reference import jobs
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.test_config import CELLS, EXAMPLE
from tests.system.reference.test_registration import Configured, configured, registered, wait_until
from tests.system.reference.workers import lines


@pytest.fixture
def workers(redis_server: RedisServer, redis: Client) -> Iterator[list[Configured]]:
    with (
        configured(redis_server.url_of("worker"), EXAMPLE) as one,
        configured(redis_server.url_of("worker"), EXAMPLE) as two,
    ):
        wait_until(lambda: registered(redis, "backup") == "1")
        yield [one, two]


def starts(notes: Path) -> list[str]:
    return [line.split()[1] for line in lines(notes) if line.startswith("start")]


def test_five_queues_as_shipped(
    workers: list[Configured], redis: Client, redis_server: RedisServer, notes: Path, tmp_path: Path
) -> None:
    config, client = load_config(EXAMPLE, {}), connect(redis_server.url_of("operator"))
    queues = {name: Queue(name, client, config.settings_of(name)) for name in CELLS}

    # One queue's trouble: every slot that email has, in both workers, hangs, and more of it waits.
    for number in range(8):
        queues["email"].enqueue(jobs.nap, str(notes), 600, job_id=f"hung-{number}")
    wait_until(lambda: redis.zcard("rq:sp:lease:email") == 4)
    for name in CELLS:
        if name != "email":
            queues[name].enqueue(jobs.nothing, job_id=f"one-{name}")
            wait_until(lambda name=name: redis.hget(f"rq:job:one-{name}", "status") == "finished")  # type: ignore[misc]
    assert redis.llen("rq:queue:email") == 4

    # Backups run one at a time, though each worker has a slot for them.
    backups = tmp_path / "backups"
    for number in range(6):
        queues["backup"].enqueue(jobs.nap, str(backups), 0.1, job_id=f"backup-{number}")
    wait_until(lambda: redis.zcard("rq:finished:backup") == 7)
    order = [line.split()[0] for line in lines(backups)]
    assert order == ["start", "end"] * 6

    found = health(client, config)
    assert found.status == "healthy", found.problems
    assert {queue.queue: len(queue.workers) for queue in found.queues} == dict.fromkeys(CELLS, 2)
    assert readiness(client, config).ready is True
    assert all(each.process.poll() is None for each in workers)


def test_email_is_granted_a_hundred_an_hour(
    workers: list[Configured], redis: Client, redis_server: RedisServer, notes: Path
) -> None:
    config = load_config(EXAMPLE, {})
    queue = Queue("email", redis_server.url_of("producer"), config.settings_of("email"))
    for number in range(120):
        queue.enqueue(jobs.nap, str(notes), 0, job_id=f"mail-{number}")
    wait_until(lambda: redis.zcard("rq:finished:email") == 100)
    queue.enqueue(jobs.nothing, job_id="last")
    Queue("reports", redis_server.url_of("producer")).enqueue(jobs.nothing, job_id="other")
    wait_until(lambda: redis.hget("rq:job:other", "status") == "finished")
    assert len(starts(notes)) == 100
    assert (redis.llen("rq:queue:email"), redis.zcard("rq:sp:lease:email")) == (21, 0)
    assert redis.llen("rq:sp:rate:email-provider") == 100
    assert all(each.process.poll() is None for each in workers)
