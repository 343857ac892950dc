"""§14, integration test 3: a worker process is killed, its jobs are recovered (CRITICAL-5)."""

import os
import signal
import time
from pathlib import Path

from stormproof_target.spec import succeeds

from tests.audit.conftest import Producer, Spawn
from tests.audit.evidence import Run, assert_each_ran_well_once, is_over, outcomes, runs_of
from tests.system.reference.server import Client
from tests.system.reference.workers import Worker, wait_until

LEASE = {"lease_s": 2, "heartbeat_s": 0.5}


def open_runs(ledger: Path) -> list[Run]:
    return [run for runs in runs_of(ledger).values() for run in runs if not run.outcome]


def caught(worker: Worker, ledger: Path, bodies: int) -> bool:
    """Stop the worker; let it go again unless it was stopped in the middle of so many bodies."""
    if len(open_runs(ledger)) == bodies:
        worker.freeze()
        time.sleep(0.01)  # a process on another core goes on for a moment
        if len(open_runs(ledger)) == bodies:
            return True
        worker.thaw()
    return False


def test_a_killed_worker_s_jobs_are_recovered_by_another(
    worker: Spawn, producer: Producer, redis: Client, ledger: Path
) -> None:
    """SIGKILL to the whole tree while two bodies run: both end well on the other worker, after one stall each."""
    jobs = [producer.send(f"j-{number}", succeeds(sleep_ms=700)) for number in range(6)]
    with worker(slots=2, **LEASE) as victim:
        wait_until(lambda: caught(victim, ledger, 2))
        cut = {run.job for run in open_runs(ledger)}
        victim.kill_tree()
    with worker(slots=2, **LEASE):
        wait_until(lambda: is_over(redis))
    assert len(cut) == 2
    assert_each_ran_well_once(redis, ledger, jobs)
    for job in jobs:
        assert outcomes(runs_of(ledger), job) == (["", "ok"] if job in cut else ["ok"])
        assert redis.hmget(f"rq:job:{job}", "stalls", "crashes") == ["1" if job in cut else None, None]


def test_a_killed_slot_s_job_is_recovered_by_its_own_worker(
    worker: Spawn, producer: Producer, redis: Client, ledger: Path
) -> None:
    jobs = [producer.send(f"j-{number}", succeeds(sleep_ms=500)) for number in range(3)]
    with worker(**LEASE) as it:
        wait_until(lambda: caught(it, ledger, 1))
        (cut,) = open_runs(ledger)
        os.kill(cut.pid, signal.SIGKILL)
        it.thaw()
        wait_until(lambda: is_over(redis))
    assert_each_ran_well_once(redis, ledger, jobs)
    assert outcomes(runs_of(ledger), cut.job) == ["", "ok"]
    assert redis.hmget(f"rq:job:{cut.job}", "stalls", "crashes") == [None, "1"]
