"""§14, integration test 2: Redis fails, and everything recovers by itself (CRITICAL-8)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stormproof_target.spec import succeeds

from system.reference import Queue, Settings, connect
from tests.audit.conftest import Producer, Spawn
from tests.audit.evidence import assert_each_ran_well_once, is_over, runs_of
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import wait_until

JOBS = 60
BEFORE = 15


@contextmanager
def in_a_thread(target: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield
    finally:
        thread.join(30)


def test_redis_fails_under_load_and_everything_recovers(
    worker: Spawn, redis_server: RedisServer, redis: Client, ledger: Path
) -> None:
    """Killed while bodies run and a producer sends, and started again within the lease: no job is lost or repeated."""
    patient = Settings(enqueue_timeout_s=30)  # a busy machine takes longer than the usual 5 s to start Redis again
    producer = Producer(Queue("default", connect(redis_server.url_of("producer")), patient))
    sent: list[str] = []
    killed = threading.Event()

    def send(numbers: range) -> None:
        sent.extend(producer.send(f"j-{number}", succeeds(sleep_ms=30)) for number in numbers)

    def send_all() -> None:
        send(range(BEFORE))
        killed.wait(60)
        send(range(BEFORE, JOBS))

    with worker(slots=2, lease_s=12, heartbeat_s=1):
        with in_a_thread(send_all):
            wait_until(lambda: len(sent) == BEFORE and runs_of(ledger))
            redis_server.kill()
            killed.set()
            time.sleep(0.3)
            assert len(sent) == BEFORE, "a Redis that is away acknowledges nothing"
            redis_server.start()
        wait_until(lambda: is_over(redis))
    assert len(sent) == JOBS, "each enqueue was kept up until it was acknowledged"
    assert_each_ran_well_once(redis, ledger, sent)
    assert max(map(len, runs_of(ledger).values())) == 1
    assert not any(redis.hmget(f"rq:job:{job}", "stalls", "crashes", "attempts") != [None] * 3 for job in sent)
