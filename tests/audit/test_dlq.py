"""§14, unit test 3: a job that fails for good becomes a dead letter after its last attempt (CRITICAL-2)."""

from pathlib import Path

from stormproof_target.spec import exits, fails, succeeds

from tests.audit.conftest import Producer, Spawn
from tests.audit.evidence import is_over, outcomes, places_of, runs_of
from tests.system.reference.server import Client
from tests.system.reference.workers import wait_until


def test_failed_jobs_move_to_the_dlq_after_max_attempts(
    worker: Spawn, producer: Producer, redis: Client, ledger: Path
) -> None:
    """Always failing, failing all attempts but the last, its own bound, killing its process, and a good one between."""
    producer.send("always", fails())
    producer.send("but-last", fails(times=2))
    producer.send("one-attempt", fails(), max_attempts=1)
    producer.send("crashes", exits())
    producer.send("good", succeeds())
    with worker(max_attempts=3, max_crashes=2, lease_s=6, heartbeat_s=1):
        wait_until(lambda: is_over(redis))
    runs = runs_of(ledger)
    assert {job: outcomes(runs, job) for job in runs} == {
        "always": ["error"] * 3,
        "but-last": ["error", "error", "ok"],
        "one-attempt": ["error"],
        "crashes": ["", ""],
        "good": ["ok"],
    }
    assert [run.attempt for run in runs["always"]] == [1, 2, 3]
    assert places_of(redis) == {
        "always": ["dead"],
        "but-last": ["finished"],
        "one-attempt": ["dead"],
        "crashes": ["dead"],
        "good": ["finished"],
    }
    reasons = {job: redis.hmget(f"rq:job:{job}", "dead_reason", "attempts", "crashes") for job in runs}
    assert reasons["always"] == ["exhausted", "3", None]
    assert reasons["one-attempt"] == ["exhausted", "1", None]
    assert reasons["crashes"] == ["crashed", None, "2"]
    assert set(redis.zrange("rq:failed:default", 0, -1)) == {"always", "one-attempt", "crashes"}, "RQ's own registry"


def test_a_dead_letter_keeps_what_is_needed_to_understand_it(
    worker: Spawn, producer: Producer, redis: Client, ledger: Path
) -> None:
    """Raw keys: a line for each attempt with its traceback, the arguments, and no time to live."""
    producer.send("j", fails())
    with worker(max_attempts=3, lease_s=6, heartbeat_s=1):
        wait_until(lambda: is_over(redis))
    assert outcomes(runs_of(ledger), "j") == ["error"] * 3
    history = [fields for _, fields in redis.xrange("rq:results:j")]
    assert [(fields["type"], fields["kind"]) for fields in history] == [("2", "error")] * 3
    assert all(fields["exc_string"] for fields in history)
    assert redis.ttl("rq:job:j") == redis.ttl("rq:results:j") == -1
    assert redis.hexists("rq:job:j", "data")
