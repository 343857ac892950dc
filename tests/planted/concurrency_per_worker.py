"""Each worker keeps the queue's limit for itself: two workers give twice as many leases.

As Celery's `--concurrency`, which is a worker's own. `concurrency` must find it.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["ConcurrencyPerWorker", "task"]


class ConcurrencyPerWorker(Variant):
    """Counts the leases of the worker that asks."""

    name = "concurrency-per-worker"
    places = (
        Place(
            "claim",
            "  if limit[2] and redis.call('ZCARD', sp_key('lease', queue)) >= tonumber(limit[2])",
            """  local mine = 0
  for _, id in ipairs(redis.call('ZRANGE', sp_key('lease', queue), 0, -1)) do
    if redis.call('HGET', job_key(id), 'worker_name') == worker then mine = mine + 1 end
  end
  if limit[2] and mine >= tonumber(limit[2])""",
        ),
    )


if __name__ == "__main__":
    ConcurrencyPerWorker.main()
