"""§14, integration test 1: submit a job, process it, verify its result."""

import base64
import pickle
from pathlib import Path

from stormproof_target.body import payload_for
from stormproof_target.ledger import checksum
from stormproof_target.spec import fails, succeeds

from tests.audit.conftest import Producer, Spawn
from tests.audit.evidence import is_over, outcomes, places_of, runs_of
from tests.system.reference.server import Client
from tests.system.reference.workers import wait_until


def test_a_job_is_submitted_processed_and_its_result_is_that_of_the_run(
    worker: Spawn, producer: Producer, redis: Client, ledger: Path
) -> None:
    """At once, delayed, and after a retry. The stored result is that of the run which the ledger says ended well."""
    specs = {"now": succeeds(), "delayed": succeeds(), "retried": fails(times=1)}
    producer.send("now")
    producer.send("delayed", delay_s=0.4)
    producer.send("retried", specs["retried"])
    assert places_of(redis) == {"now": ["waiting"], "delayed": ["delayed"], "retried": ["waiting"]}
    with worker(lease_s=6, heartbeat_s=1) as it:
        wait_until(lambda: is_over(redis))
        assert it.terminate() == 0
    runs = runs_of(ledger)
    assert {job: outcomes(runs, job) for job in specs} == {"now": ["ok"], "delayed": ["ok"], "retried": ["error", "ok"]}
    assert places_of(redis) == {job: ["finished"] for job in specs}
    for job, spec in specs.items():
        assert runs[job][-1].args_sum == checksum(payload_for(job, spec)), "the arguments arrived as they were sent"
        ((_, stored),) = redis.xrevrange(f"rq:results:{job}", count=1)
        result = pickle.loads(base64.b64decode(stored["return_value"]))  # noqa: S301  # written by our own task
        assert checksum(result) == runs[job][-1].result_sum
        assert redis.hget(f"rq:job:{job}", "status") == "finished"
