"""The reference queue: a hardened job queue on RQ's data model. See PROMISES.md for what it promises."""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .address import Endpoint
    from .backoff import Backoff
    from .connection import connect
    from .current import CurrentJob, current_job
    from .errors import EnqueueError, Reject, Rejected, SettingsError, SoftTimeout, StormqError, Unknown
    from .outage import Buffered, Enqueued
    from .producer import Queue
    from .scripts import Scripts, load
    from .settings import Settings

__all__ = [
    "Backoff",
    "Buffered",
    "CurrentJob",
    "Endpoint",
    "EnqueueError",
    "Enqueued",
    "Queue",
    "Reject",
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

# Imported when first asked for: redis-py, which producers need and workers do not, costs 0.3 s of CPU.
_HOMES: Final = {
    "address": ("Endpoint",),
    "backoff": ("Backoff",),
    "connection": ("connect",),
    "current": ("CurrentJob", "current_job"),
    "errors": ("EnqueueError", "Reject", "Rejected", "SettingsError", "SoftTimeout", "StormqError", "Unknown"),
    "outage": ("Buffered", "Enqueued"),
    "producer": ("Queue",),
    "scripts": ("Scripts", "load"),
    "settings": ("Settings",),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # it is any of the above
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value
