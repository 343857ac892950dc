"""The reference queue: a hardened job queue on RQ's data model. See PROMISES.md for what it promises."""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .address import Endpoint
    from .audit import AuditEntry, read_audit
    from .backoff import Backoff
    from .codec import AeadCodec, PayloadCodec, codec_from_environment
    from .config import Config
    from .config_file import load_config
    from .connection import connect
    from .current import CurrentJob, current_job
    from .dead_letters import DeadLetter, DeadLetters, Which
    from .errors import EnqueueError, Reject, Rejected, SettingsError, SoftTimeout, StormqError, Unknown
    from .operations import Actor, Operations, RefusedError
    from .outage import Buffered, Enqueued
    from .payload import decode_result
    from .producer import Queue
    from .redaction import redact, redact_text
    from .registration import RegistrationError
    from .scripts import Scripts, load
    from .settings import Settings

__all__ = [
    "Actor",
    "AeadCodec",
    "AuditEntry",
    "Backoff",
    "Buffered",
    "Config",
    "CurrentJob",
    "DeadLetter",
    "DeadLetters",
    "Endpoint",
    "EnqueueError",
    "Enqueued",
    "Operations",
    "PayloadCodec",
    "Queue",
    "RefusedError",
    "RegistrationError",
    "Reject",
    "Rejected",
    "Scripts",
    "Settings",
    "SettingsError",
    "SoftTimeout",
    "StormqError",
    "Unknown",
    "Which",
    "codec_from_environment",
    "connect",
    "current_job",
    "decode_result",
    "load",
    "load_config",
    "read_audit",
    "redact",
    "redact_text",
]

# Imported when first asked for: redis-py, which producers need and workers do not, costs 0.3 s of CPU.
_HOMES: Final = {
    "address": ("Endpoint",),
    "audit": ("AuditEntry", "read_audit"),
    "backoff": ("Backoff",),
    "config": ("Config",),
    "config_file": ("load_config",),
    "codec": ("AeadCodec", "PayloadCodec", "codec_from_environment"),
    "connection": ("connect",),
    "current": ("CurrentJob", "current_job"),
    "dead_letters": ("DeadLetter", "DeadLetters", "Which"),
    "errors": ("EnqueueError", "Reject", "Rejected", "SettingsError", "SoftTimeout", "StormqError", "Unknown"),
    "operations": ("Actor", "Operations", "RefusedError"),
    "outage": ("Buffered", "Enqueued"),
    "payload": ("decode_result",),
    "producer": ("Queue",),
    "registration": ("RegistrationError",),
    "redaction": ("redact", "redact_text"),
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
