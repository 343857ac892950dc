"""§14, unit test 5: old jobs are removed correctly, and memory comes back (HIGH-2, HIGH-5)."""

import re
from pathlib import Path

import pytest
from stormproof_target.spec import fails, succeeds

from system.reference import Queue, Settings, connect
from tests.audit.conftest import Producer, Spawn
from tests.audit.evidence import is_over, outcomes, places_of, runs_of
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import wait_until

CALM = {"lease_s": 6, "heartbeat_s": 1, "clean_interval_s": 0.2}
MIB = 1024 * 1024
DECLARED = (  # all that a quiet queue leaves behind; ids of slots stand for themselves
    r"rq:queues",
    r"rq:sp:fence",
    r"rq:sp:sweep:default",
    r"rq:sp:slot:[0-9a-f]+-\d+",
)
MAY_STAY = r"rq:sp:wake:default"  # a token or two that no slot was waiting for


@pytest.fixture
def producer(redis_server: RedisServer) -> Producer:
    """Of enqueues that are known for two seconds, so that no stub of a record outlives the test."""
    return Producer(Queue("default", connect(redis_server.url), Settings(window_s=2, enqueue_timeout_s=1)))


def of_jobs(redis: Client) -> list[str]:
    """Keys that belong to single jobs."""
    return sorted(key for kind in ("job", "results") for key in redis.scan_iter(f"rq:{kind}:*"))


def test_old_jobs_are_removed_and_no_others(worker: Spawn, producer: Producer, redis: Client, ledger: Path) -> None:
    """Past its result's time to live a job is gone in every key; younger ones, delayed ones and dead letters stay."""
    producer.send("old", result_ttl_s=1)
    producer.send("young", result_ttl_s=600)
    producer.send("dead", fails(), result_ttl_s=1, max_attempts=1)
    producer.send("delayed", delay_s=600)
    with worker(**CALM):
        wait_until(lambda: redis.zcard("rq:sp:dead:default") == 1)
        wait_until(lambda: "old" not in places_of(redis) and not redis.exists("rq:job:old", "rq:results:old"))
    assert {job: outcomes(runs_of(ledger), job) for job in ("old", "young", "dead")} == {
        "old": ["ok"],
        "young": ["ok"],
        "dead": ["error"],
    }
    assert places_of(redis) == {"young": ["finished"], "dead": ["dead"], "delayed": ["delayed"]}
    assert of_jobs(redis) == [
        "rq:job:dead",
        "rq:job:delayed",
        "rq:job:young",
        "rq:results:dead",
        "rq:results:young",
    ]


def test_only_the_last_n_finished_jobs_are_kept(worker: Spawn, producer: Producer, redis: Client, ledger: Path) -> None:
    jobs = [producer.send(f"j-{number:02}", result_ttl_s=600) for number in range(30)]
    with worker(keep_finished=5, **CALM):
        wait_until(lambda: is_over(redis) and redis.zcard("rq:finished:default") == 5)
        wait_until(lambda: len(of_jobs(redis)) == 10)
    assert all(outcomes(runs_of(ledger), job) == ["ok"] for job in jobs)
    assert places_of(redis) == {job: ["finished"] for job in jobs[-5:]}
    assert of_jobs(redis) == sorted(f"rq:{kind}:{job}" for kind in ("job", "results") for job in jobs[-5:])


def kinds(redis: Client) -> set[str]:
    """The declared kinds of key that there are; a key of none stands for itself."""
    keys = [key for key in redis.scan_iter() if key != MAY_STAY]
    return {next((kind for kind in DECLARED if re.fullmatch(kind, key)), key) for key in keys}


def dataset(redis: Client) -> int:
    """Bytes that the data takes up, without clients' buffers and Redis' own."""
    return int(redis.info("memory")["used_memory_dataset"])


def test_after_a_load_the_key_set_is_the_declared_one_and_memory_is_back_within_one_mib(
    worker: Spawn, producer: Producer, redis: Client, ledger: Path
) -> None:
    """2,000 jobs of 2 KiB each, with results, one in ten after a failure: memory rises well above the limit first."""
    with worker(slots=2, result_ttl_s=1, **CALM) as it:
        producer.send("warm-up")
        wait_until(lambda: len(list(redis.scan_iter("rq:sp:slot:*"))) == 2)
        wait_until(lambda: not of_jobs(redis) and not redis.exists("rq:finished:default"))
        assert it.terminate() == 0
    assert kinds(redis) == set(DECLARED)
    before = dataset(redis)
    specs = {f"j-{number}": fails(times=1) if number % 10 == 0 else succeeds() for number in range(2000)}
    for job, spec in specs.items():
        producer.send(job, spec, description="x" * 2048)
    most = dataset(redis)
    with worker(slots=2, result_ttl_s=1, **CALM) as it:
        wait_until(lambda: not next(redis.scan_iter("rq:job:*"), None) and is_over(redis), within_s=60)
        wait_until(lambda: not of_jobs(redis) and not redis.exists("rq:finished:default"))
        assert it.terminate() == 0
    assert kinds(redis) == set(DECLARED)
    assert most - before > 3 * MIB, "the load should have shown in memory"
    assert dataset(redis) - before < MIB
    runs = runs_of(ledger)
    assert all(
        outcomes(runs, job)[-1] == "ok" and len(outcomes(runs, job)) == 1 + spec.times for job, spec in specs.items()
    )
    assert places_of(redis) == {}
