"""The catalogue: one scenario a file, each readable in one screen."""

from typing import Final

from scenarios.catalog.cancelled import CANCELLED
from scenarios.catalog.concurrency_limit import CONCURRENCY_LIMIT
from scenarios.catalog.delayed import DELAYED
from scenarios.catalog.five_queues import FIVE_QUEUES
from scenarios.catalog.latency import LATENCY
from scenarios.catalog.lost_replies import LOST_REPLIES
from scenarios.catalog.pause_resume import PAUSE_RESUME
from scenarios.catalog.payloads import PAYLOADS
from scenarios.catalog.poison import POISON
from scenarios.catalog.rate_limit import RATE_LIMIT
from scenarios.catalog.redis_disconnects import REDIS_DISCONNECTS
from scenarios.catalog.redis_refuses import REDIS_REFUSES
from scenarios.catalog.redis_restart import REDIS_RESTART
from scenarios.catalog.restore_backup import RESTORE_BACKUP
from scenarios.catalog.retries import RETRIES
from scenarios.catalog.rolling_deploy import ROLLING_DEPLOY
from scenarios.catalog.slow_queue import SLOW_QUEUE
from scenarios.catalog.steady import STEADY
from scenarios.catalog.worker_poison import WORKER_POISON
from scenarios.catalog.workers_killed import WORKERS_KILLED
from scenarios.scenario import Scenario

CATALOG: Final[dict[str, Scenario]] = {
    each.name: each
    for each in (
        STEADY,
        REDIS_DISCONNECTS,
        REDIS_RESTART,
        LATENCY,
        WORKERS_KILLED,
        POISON,
        CONCURRENCY_LIMIT,
        WORKER_POISON,
        RATE_LIMIT,
        FIVE_QUEUES,
        SLOW_QUEUE,
        PAUSE_RESUME,
        ROLLING_DEPLOY,
        RESTORE_BACKUP,
        LOST_REPLIES,
        REDIS_REFUSES,
        RETRIES,
        DELAYED,
        CANCELLED,
        PAYLOADS,
    )
}
