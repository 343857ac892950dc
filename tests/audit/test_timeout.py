"""§14, unit test 1: jobs time out at the configured threshold (CRITICAL-1)."""

from pathlib import Path

from stormproof_target.spec import hangs, succeeds

from tests.audit.conftest import Producer, Spawn
from tests.audit.evidence import outcomes, places_of, runs_of
from tests.system.reference.server import Client
from tests.system.reference.workers import is_gone, wait_until

TIMEOUT_S = 0.4
OWN_TIMEOUT_S = 1.2


def test_jobs_time_out_at_the_configured_threshold(
    worker: Spawn, producer: Producer, redis: Client, ledger: Path
) -> None:
    """The queue's timeout, a job's own one, a hang that only SIGKILL ends, and a job that stays below."""
    producer.send("queue-s", hangs(60))
    producer.send("own", hangs(60), timeout_s=OWN_TIMEOUT_S)
    producer.send("in-c", hangs(60, in_c=True))
    producer.send("below", succeeds(sleep_ms=int(TIMEOUT_S * 500)), timeout_s=60)
    with worker(timeout_s=TIMEOUT_S, grace_s=0.2, max_attempts=1, lease_s=6, heartbeat_s=1):
        wait_until(lambda: redis.zcard("rq:sp:dead:default") == 3 and redis.zcard("rq:finished:default") == 1)
        runs = runs_of(ledger)
        assert is_gone(runs["in-c"][0].pid)
    assert {job: outcomes(runs, job) for job in runs} == {
        "queue-s": ["timeout"],
        "own": ["timeout"],
        "in-c": [""],
        "below": ["ok"],
    }
    # The clock runs from before the body's first line, so a slow start of the body shortens what the ledger sees.
    assert runs["queue-s"][0].ended_s - runs["queue-s"][0].started_s > TIMEOUT_S / 2
    assert runs["own"][0].ended_s - runs["own"][0].started_s > OWN_TIMEOUT_S / 2 > TIMEOUT_S
    dead = ("queue-s", "own", "in-c")
    assert places_of(redis) == {job: ["dead" if job in dead else "finished"] for job in runs}
    assert {redis.hget(f"rq:job:{job}", "dead_reason") for job in dead} == {"timeout"}
