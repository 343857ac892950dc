"""§14, unit test 4: the exponential backoff is calculated as configured, and kept (CRITICAL-7)."""

from itertools import pairwise
from pathlib import Path
from random import Random

from stormproof_target.spec import fails

from system.reference import Backoff
from tests.audit.conftest import Producer, Spawn
from tests.audit.evidence import is_over, outcomes, places_of, runs_of
from tests.system.reference.server import Client
from tests.system.reference.workers import wait_until


def test_exponential_backoff_is_calculated() -> None:
    """Doubles from its base up to its cap; jitter only shortens it."""
    plain = Backoff("exponential", base_s=2, cap_s=60, jitter="none")
    assert [plain.delay_s(failures, Random(7)) for failures in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]
    full, equal = (Backoff("exponential", base_s=2, cap_s=60, jitter=jitter) for jitter in ("full", "equal"))
    rng = Random(7)
    for failures in range(1, 8):
        most_s = plain.delay_s(failures, rng)
        assert all(0 <= full.delay_s(failures, rng) <= most_s for _ in range(200))
        assert all(most_s / 2 <= equal.delay_s(failures, rng) <= most_s for _ in range(200))


def test_exponential_backoff_is_kept_between_runs(
    worker: Spawn, producer: Producer, redis: Client, ledger: Path
) -> None:
    """By the ledger each retry starts no sooner than its delay after the failure before."""
    producer.send("j", fails(times=3))
    backoff = {"backoff_kind": "exponential", "backoff_base_s": 0.1, "backoff_cap_s": 10, "backoff_jitter": "none"}
    with worker(max_attempts=4, lease_s=6, heartbeat_s=1, **backoff):
        wait_until(lambda: is_over(redis))
    runs = runs_of(ledger)
    assert outcomes(runs, "j") == ["error", "error", "error", "ok"]
    gaps_s = [after.started_s - before.ended_s for before, after in pairwise(runs["j"])]
    assert all(gap_s >= delay_s for gap_s, delay_s in zip(gaps_s, (0.1, 0.2, 0.4), strict=True)), gaps_s
    assert places_of(redis) == {"j": ["finished"]}
    assert redis.hget("rq:job:j", "attempts") == "3"
