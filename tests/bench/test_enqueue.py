"""One enqueue beside a bare EVALSHA of a script that does nothing: what the queue's own work costs a producer."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from system.reference import Queue, connect
from tests.system.reference import jobs
from tests.system.reference.server import RedisServer

pytestmark = pytest.mark.bench

# The server without its fsync: that would be measured with `always`, not the queue.
ROUNDS = 3000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    server.client().config_set("appendfsync", "no")
    yield server
    server.kill()


@pytest.fixture
def bare(server: RedisServer) -> Callable[[], object]:
    """Through the same kind of pool, with as many bytes of arguments."""
    redis = connect(server.url)
    sha = redis.script_load("return redis.call('TIME')")
    payload = "x" * 200
    return lambda: redis.evalsha(sha, 1, "rq", payload)


@pytest.fixture
def enqueue(server: RedisServer) -> Callable[[], object]:
    queue = Queue("bench", connect(server.url))
    numbers = itertools.count()
    return lambda: queue.enqueue(jobs.add, 1, 2, job_id=f"j{next(numbers)}")


@pytest.mark.benchmark(group="enqueue")
def test_bare_evalsha(benchmark: BenchmarkFixture, bare: Callable[[], object]) -> None:
    benchmark.pedantic(bare, rounds=ROUNDS, warmup_rounds=100)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="enqueue")
def test_enqueue(
    benchmark: BenchmarkFixture,
    enqueue: Callable[[], object],
    bare: Callable[[], object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Prints the ratio of medians of interleaved rounds: both see the same noise."""
    benchmark.pedantic(enqueue, rounds=ROUNDS, warmup_rounds=100)  # type: ignore[no-untyped-call]
    ratio = _median_ratio(enqueue, bare)
    benchmark.extra_info["ratio_to_bare_evalsha"] = round(ratio, 2)
    with capsys.disabled():
        print(f"\none enqueue costs {ratio:.2f} times a bare EVALSHA")  # noqa: T201


def _median_ratio(one: Callable[[], object], other: Callable[[], object]) -> float:
    took: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(ROUNDS):
        for index, call in enumerate((one, other)):
            begin_s = time.perf_counter()
            call()
            took[index].append(time.perf_counter() - begin_s)
    return statistics.median(took[0]) / statistics.median(took[1])
