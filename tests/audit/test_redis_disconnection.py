"""§14, integration test 2: Redis fails, and everything recovers by itself (CRITICAL-8)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stormproof_target.spec import succeeds

from tests.audit.conftest import Producer, Spawn
from tests.audit.evidence import assert_each_ran_well_once, is_over, runs_of
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import wait_until

JOBS = 60


@contextmanager
def in_a_thread(target: object) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=target)  # type: ignore[arg-type]
    thread.start()
    try:
        yield thread
    finally:
        thread.join(30)


def test_redis_fails_under_load_and_everything_recovers(
    worker: Spawn, producer: Producer, redis_server: RedisServer, redis: Client, ledger: Path
) -> None:
    """Killed while bodies run and a producer sends, and started again within the lease: no job is lost or repeated."""
    sent: list[str] = []

    def send() -> None:
        sent.extend(producer.send(f"j-{number}", succeeds(sleep_ms=30)) for number in range(JOBS))

    with worker(slots=2, lease_s=12, heartbeat_s=1):
        producer.send("first", succeeds(sleep_ms=30))
        wait_until(lambda: runs_of(ledger))
        with in_a_thread(send) as sending:
            wait_until(lambda: len(sent) >= JOBS // 4)
            redis_server.kill()
            assert sending.is_alive(), "the outage should have met a producer at work"
            redis_server.start()
        wait_until(lambda: is_over(redis))
    assert len(sent) == JOBS, "each enqueue was kept up until it was acknowledged"
    assert_each_ran_well_once(redis, ledger, ["first", *sent])
    assert max(map(len, runs_of(ledger).values())) == 1
    assert not any(redis.hmget(f"rq:job:{job}", "stalls", "crashes", "attempts") != [None] * 3 for job in sent)
