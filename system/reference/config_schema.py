"""What may stand in the file of all queues: tables, keys, kinds and ranges."""

from typing import Final

from .layers import Kind

RATE_N_MAX: Final = 1000
SLOTS_MAX: Final = 256
VERSION_MAX: Final = 10**15  # what Lua counts exactly
TABLES: Final = ("defaults", "worker", "audit", "redis")
NAMED_TABLES: Final = ("queues", "rates")
WORKER_KINDS: Final[dict[str, Kind]] = {
    "lease_s": "number", "heartbeat_s": "number", "margin_s": "number", "sweep_interval_s": "number",
    "poll_s": "number", "drain_s": "number", "clean_interval_s": "number", "window_s": "number",
    "enqueue_timeout_s": "number", "slots": "whole number", "preload": "list of texts",
}  # fmt: skip
POLICY_KINDS: Final[dict[str, Kind]] = {
    "max_attempts": "whole number", "timeout_s": "number", "grace_s": "number", "max_stalls": "whole number",
    "max_crashes": "whole number", "result_ttl_s": "whole number", "keep_finished": "whole number",
    "dead_retention_s": "number", "backoff.kind": "text", "backoff.base_s": "number", "backoff.cap_s": "number",
    "backoff.jitter": "text",
}  # fmt: skip
RATE_KINDS: Final[dict[str, Kind]] = {"n": "whole number", "window_s": "number"}
LIMIT_KINDS: Final[dict[str, Kind]] = {
    "concurrency": "whole number", "slots": "whole number", "rate": "text", "rate.n": "whole number",
    "rate.window_s": "number", "breaker.rate": "number", "breaker.min_runs": "whole number",
    "breaker.window_s": "number", "breaker.open_s": "number",
}  # fmt: skip
AUDIT_KINDS: Final[dict[str, Kind]] = {"executions": "true or false", "retention_s": "number", "archive": "text"}
TOP_KINDS: Final[dict[str, Kind]] = {"version": "whole number", "environment": "text"}
OTHER_KINDS: Final[dict[str, Kind]] = {"environment": "text", "audit_retention_s": "number"}
SETTINGS_KINDS: Final = WORKER_KINDS | POLICY_KINDS | OTHER_KINDS
RANGES: Final[dict[str, tuple[float, float, str]]] = {
    "concurrency": (1, 100_000, ""),
    "slots": (0, SLOTS_MAX, ""),
    "n": (1, RATE_N_MAX, ": a rate is a ring of the last grants' times in Redis, which grows with it"),
    "window_s": (0.001, 31 * 86400, ""),
    "breaker.rate": (0.001, 1, ""),
    "breaker.min_runs": (1, 1_000_000, ""),
    "breaker.window_s": (0.1, 86400, ""),
    "breaker.open_s": (0.1, 86400, ""),
}
