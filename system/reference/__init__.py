"""The reference queue: a hardened job queue on RQ's data model. See PROMISES.md for what it promises."""

from .backoff import Backoff
from .connection import connect
from .current import CurrentJob, current_job
from .errors import EnqueueError, Rejected, SettingsError, SoftTimeout, StormqError, Unknown
from .producer import Enqueued, Queue
from .scripts import Scripts, load
from .settings import Settings

__all__ = [
    "Backoff",
    "CurrentJob",
    "EnqueueError",
    "Enqueued",
    "Queue",
    "Rejected",
    "Scripts",
    "Settings",
    "SettingsError",
    "SoftTimeout",
    "StormqError",
    "Unknown",
    "connect",
    "current_job",
    "load",
]
