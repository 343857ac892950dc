"""Settings from a TOML file and from the command line; the command line wins. All problems are told at once."""

import argparse
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from .backoff import Backoff
from .errors import SettingsError
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
        "--config", type=Path, metavar="FILE", help="settings as TOML: these names, and a table [backoff]"
    )
    defaults = Settings()
    group = parser.add_argument_group("settings", "they take the place of the file's")
    for name, text in HELP.items():
        if names is None or name in names:
            default = getattr(defaults, name)
            shown = "" if name in {"margin_s", "preload"} else f" (default: {default:g})"
            group.add_argument(_option(name), dest=f"set_{name}", metavar=_metavar(name), help=text + shown)
    if names is None:
        for name, text in BACKOFF_HELP.items():
            shown = f"delay between attempts: {text} (default: {getattr(defaults.backoff, name)})"
            group.add_argument(
                _option(f"backoff_{name}"), dest=f"set_backoff_{name}", metavar=_metavar(name), help=shown
            )


def read_settings(arguments: argparse.Namespace) -> Settings:
    """The settings that file and options make. Raises ``SettingsError``."""
    problems: list[str] = []
    values, backoff = _from_file(arguments.config, problems)
    for name, text in vars(arguments).items():
        if name.startswith("set_backoff_") and text is not None:
            backoff[name.removeprefix("set_backoff_")] = text
        elif name.startswith("set_") and text is not None:
            values[name.removeprefix("set_")] = text
    chosen = _convert("", {each.name: each.type for each in fields(Settings)}, values, problems)
    delays = _convert("backoff.", {each.name: each.type for each in fields(Backoff)}, backoff, problems)
    made = None
    for make in (lambda: Backoff(**delays), lambda: Settings(**chosen)):
        try:
            made = make()
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    assert isinstance(made, Settings)  # noqa: S101  # the last of the two; mypy can't know
    return Settings(**chosen, backoff=Backoff(**delays))


def _from_file(path: Path | None, problems: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    if path is None:
        return {}, {}
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        problems.append(f"{path}: {error}")
        return {}, {}
    backoff = values.pop("backoff", {})
    if not isinstance(backoff, dict):
        problems.append(f"{path}: backoff must be a table")
        backoff = {}
    return values, backoff


def _convert(head: str, types: Mapping[str, Any], values: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for name, value in values.items():
        if name not in types or name == "backoff":
            problems.append(f"{head}{name}: no such setting; there are {', '.join(n for n in types if n != 'backoff')}")
            continue
        try:
            converted[name] = _typed(name, types[name], value)
        except (TypeError, ValueError):
            problems.append(f"{head}{name} is {value!r}; a {_metavar(name).lower()} is needed")
    return converted


def _typed(name: str, wanted: object, value: object) -> object:
    if name == "preload":
        return (
            tuple(part for part in value.split(",") if part)
            if isinstance(value, str)
            else tuple(map(str, _listed(value)))
        )
    if name in {"kind", "jitter"}:
        return str(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return int(value) if wanted is int else float(value)


def _listed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _metavar(name: str) -> str:
    if name.endswith("_s"):
        return "SECONDS"
    return {"preload": "MODULES", "kind": "WORD", "jitter": "WORD"}.get(name, "NUMBER")
