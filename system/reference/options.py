"""Settings as options of the command line, where they win over the file's. All problems are told at once."""

import argparse
import re
from pathlib import Path
from typing import Final

from .settings import Settings

HELP: Final = {
    "max_attempts": "failures and timeouts that make a job a dead letter",
    "timeout_s": "soft timeout of a job's body: an exception is raised in it",
    "grace_s": "after the soft timeout and as much again, the job's process is killed",
    "lease_s": "how long a job stays a slot's without a heartbeat",
    "heartbeat_s": "time between heartbeats; a third of the lease at most",
    "margin_s": "a worker that can't renew kills its slots this long before the lease ends (default: lease_s / 10)",
    "sweep_interval_s": "time between looks for leases that have ended",
    "poll_s": "longest wait for a wake-up token",
    "max_stalls": "ended leases that make a job a dead letter",
    "max_crashes": "deaths of its process that make a job a dead letter",
    "result_ttl_s": "how long a finished job and its result are kept; -1 for good",
    "window_s": "how long an enqueue repeated with the same id is known as such",
    "enqueue_timeout_s": "how long an enqueue keeps trying",
    "drain_s": "how long running jobs have when the worker is asked to stop",
    "slots": "jobs that run at once, each in a process of its own",
    "preload": "modules that every slot imports before it takes a job (comma-separated)",
    "environment": "its name, as in production; told with each failure",
    "clean_interval_s": "time between looks for finished jobs and audit entries that may go",
    "keep_finished": "finished jobs of a queue that are kept at most (default: all, for as long as their results)",
    "dead_retention_s": "how long a dead letter is kept",
    "audit_retention_s": "how long an entry of the audit stream is kept",
}
BACKOFF_HELP: Final = {
    "kind": "fixed, linear or exponential",
    "base_s": "first delay",
    "cap_s": "longest delay",
    "jitter": "none, full or equal",
}


def add_settings(parser: argparse.ArgumentParser, names: tuple[str, ...] | None = None) -> None:
    """Add ``--config`` and an option for each setting (or for ``names`` only)."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the TOML file of all queues (see `stormq config check --help`)"
    )
    defaults = Settings()
    group = parser.add_argument_group("settings", "they take the place of the file's")
    for name, text in HELP.items():
        if names is None or name in names:
            default = getattr(defaults, name)
            shown = "" if default in (None, "", ()) else f" (default: {default:g})"
            group.add_argument(_option(name), dest=f"set_{name}", metavar=_metavar(name), help=text + shown)
    if names is None:
        for name, text in BACKOFF_HELP.items():
            shown = f"delay between attempts: {text} (default: {getattr(defaults.backoff, name)})"
            group.add_argument(
                _option(f"backoff_{name}"), dest=f"set_backoff_{name}", metavar=_metavar(name), help=shown
            )


def given_options(arguments: argparse.Namespace) -> dict[str, str]:
    """Settings of the command line by name, those of the backoff as `backoff.kind`."""
    return {
        re.sub("^backoff_", "backoff.", name.removeprefix("set_")): text
        for name, text in vars(arguments).items()
        if name.startswith("set_") and text is not None
    }


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _metavar(name: str) -> str:
    if name.endswith("_s"):
        return "SECONDS"
    return {"preload": "MODULES", "kind": "WORD", "jitter": "WORD", "environment": "NAME"}.get(name, "NUMBER")
