"""A Redis, real workers whose slots write one ledger, and a producer of jobs with a spec."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from stormproof_target.body import payload_for
from stormproof_target.ledger import INTACT_SUFFIX, LEDGER_VARIABLE
from stormproof_target.spec import JobSpec, succeeds

from system.reference import Queue
from tests.audit.body import task
from tests.system.reference.conftest import queue, redis, redis_server, redis_session, worker
from tests.system.reference.workers import Worker

__all__ = ["queue", "redis", "redis_server", "redis_session", "worker"]  # fixtures, found here by name
AT_ONCE: Final = succeeds()
Spawn = Callable[..., AbstractContextManager[Worker]]


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every process that a worker starts appends to it."""
    path = tmp_path / "ledger.jsonl"
    path.touch()
    path.with_name(path.name + INTACT_SUFFIX).touch()
    monkeypatch.setenv(LEDGER_VARIABLE, str(path))
    return path


@dataclass(frozen=True, slots=True)
class Producer:
    queue: Queue

    def send(self, job: str, spec: JobSpec = AT_ONCE, **options: object) -> str:
        """Acknowledged when it returns; options as ``Queue.enqueue`` has them."""
        sent = self.queue.enqueue(task, payload_for(job, spec), job_id=job, **options)  # type: ignore[arg-type]
        return sent.job_id


@pytest.fixture
def producer(queue: Queue) -> Producer:  # the fixture of that name
    return Producer(queue)
