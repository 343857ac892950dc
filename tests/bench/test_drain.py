"""No-op jobs a second that one slot drains, beside stock RQ's SimpleWorker in the same run."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rq
from redis import Redis

from system.reference import Queue, connect
from tests.system.reference import jobs
from tests.system.reference.server import RedisServer
from tests.system.reference.workers import running, wait_until

pytestmark = pytest.mark.bench

OURS, STOCK = 8000, 800


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    server.client().config_set("appendfsync", "no")
    yield server
    server.kill()


def test_drain(server: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    queue, stock = Queue("ours", connect(server.url)), rq.Queue("stock", connection=Redis(port=server.port))
    for _ in range(OURS):
        queue.enqueue(jobs.nothing)
    with running(server.url, "ours", timeout_s=60):
        ours_s = _drained(server, "ours", OURS)
    for _ in range(STOCK):
        stock.enqueue(jobs.nothing)
    program = str(Path(sys.executable).with_name("rq"))
    command = [program, "worker", "--quiet", "--worker-class", "rq.SimpleWorker", "--url", server.stock_url, "stock"]
    worker = subprocess.Popen(command)
    try:
        stock_s = _drained(server, "stock", STOCK)
    finally:
        worker.kill()
        worker.wait()
    with capsys.disabled():
        ratio = ours_s / stock_s
        print(f"\none slot: {ours_s:,.0f} jobs/s; stock SimpleWorker: {stock_s:,.0f}; {ratio:.1f} times")  # noqa: T201


def _drained(server: RedisServer, queue: str, count: int) -> float:
    """Jobs a second from the first seen finished to the last."""
    redis = server.client()
    wait_until(lambda: redis.zcard(f"rq:finished:{queue}"), within_s=60)
    begin_s, done = time.perf_counter(), redis.zcard(f"rq:finished:{queue}")
    wait_until(lambda: redis.zcard(f"rq:finished:{queue}") == count, within_s=120)
    return float((count - done) / (time.perf_counter() - begin_s))
