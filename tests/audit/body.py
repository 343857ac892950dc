"""The one body of all jobs here: the kit's, which writes the ledger before and after it does what its spec says."""

from stormproof_target import run_body

from system.reference import current_job


def task(payload: str) -> str:
    job = current_job()
    assert job
    return run_body(payload, attempt=job.attempt, fence=job.fence)
