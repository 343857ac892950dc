"""§14, unit test 2: a queue's concurrency is enforced, over all workers together (CRITICAL-3)."""

from itertools import chain
from pathlib import Path

from stormproof_target.spec import succeeds

from system.reference import connect
from system.reference.operations import Transitions
from tests.audit.conftest import Producer, Spawn
from tests.audit.evidence import assert_each_ran_well_once, is_over, most_at_once, runs_of
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import wait_until

LIMIT = 3
CALM = {"lease_s": 6, "heartbeat_s": 1}


def test_concurrency_is_enforced_over_all_workers(
    worker: Spawn, producer: Producer, redis_server: RedisServer, redis: Client, ledger: Path
) -> None:
    """Eight slots in two workers, three leases: never more by raw keys, never more bodies by the ledger, and three."""
    transitions = Transitions(connect(redis_server.url))
    by = ("tests", "here", "the limit of this test")
    assert transitions.call("register", "default", 1, "digest", "here", 0, *by, "concurrency", LIMIT)[0] == "applied"
    jobs = [producer.send(f"j-{number}", succeeds(sleep_ms=60)) for number in range(30)]
    leased: list[int] = []

    def over() -> bool:
        leased.append(redis.zcard("rq:sp:lease:default"))
        return is_over(redis)

    with worker(slots=4, **CALM), worker(slots=4, **CALM):
        wait_until(over)
    assert max(leased) <= LIMIT
    assert most_at_once(chain.from_iterable(runs_of(ledger).values())) == LIMIT
    assert_each_ran_well_once(redis, ledger, jobs)
