"""§14, integration test 4: 10,000 jobs are submitted, and every one of them is processed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.audit.conftest import Producer, Spawn
from tests.audit.evidence import assert_each_ran_well_once, runs_of
from tests.system.reference.server import Client
from tests.system.reference.workers import wait_until

JOBS = 10_000


def test_ten_thousand_jobs_are_all_processed(worker: Spawn, producer: Producer, redis: Client, ledger: Path) -> None:
    """Two workers with two slots each, while four threads still send. Each job: one good run, one place."""
    calm = {"lease_s": 30, "heartbeat_s": 5, "slots": 2}
    with worker(**calm), worker(**calm):
        with ThreadPoolExecutor(4) as threads:
            jobs = list(threads.map(producer.send, (f"j-{number}" for number in range(JOBS)), chunksize=50))
        wait_until(lambda: redis.zcard("rq:finished:default") >= JOBS, within_s=180)
    assert len(set(jobs)) == JOBS
    assert_each_ran_well_once(redis, ledger, jobs)
    runs = runs_of(ledger)
    assert sum(map(len, runs.values())) == JOBS, "nothing failed, so nothing may have run twice"
    assert len({run.pid for each in runs.values() for run in each}) == 4, "all four slots took part"
