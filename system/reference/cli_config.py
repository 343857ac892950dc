"""Options of `stormq worker`, `health`, `activate` and `config check`, and where they say that Redis is."""

import argparse
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .config import Config
from .endpoint import URL_VARIABLE
from .options import add_settings
from .worker_plan import url_of

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
HOME_URL: Final = "redis://127.0.0.1:6379/0"
HEALTH_EPILOG: Final = """\
exit codes: 0 healthy; 1 unhealthy or not ready; 2 wrong usage or settings; 3 degraded; 4 Redis can't be reached (a
liveness probe should take that for alive: a restart mends nothing)"""


def add_worker(verb: Verb) -> None:
    """`stormq worker`."""
    run = later("commands_worker", "run_worker")
    parser = verb("worker", run, "run jobs of queues until stopped (SIGTERM drains, a second one does not wait)")
    parser.add_argument(
        "queues", nargs="*", metavar="QUEUE", help="claimed in the order given (with --config: default all of the file)"
    )
    parser.add_argument("--name", help="the worker's name in CLIENT LIST and in RQ's lists (default: host, pid, time)")
    parser.add_argument(
        "--lua", type=Path, metavar="DIR", help="scripts of this folder take the place of ours of that name"
    )
    add_settings(parser)


def add_health(verb: Verb) -> None:
    """`stormq health`."""
    parser = verb("health", later("commands_config", "show_health"), "say how queues and workers are")
    parser.epilog, parser.formatter_class = HEALTH_EPILOG, argparse.RawDescriptionHelpFormatter
    parser.add_argument("queues", nargs="*", metavar="QUEUE", help="default: those of --config, else every queue")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the TOML file of all queues")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--live", action="store_true", help="only whether Redis answers and the --worker named lives")
    which.add_argument(
        "--ready", action="store_true", help="only whether a worker of --config's version (or --worker) runs a job"
    )
    parser.add_argument("--worker", default="", metavar="NAME", help="a worker that was started with --name")
    parser.add_argument("--timeout-s", type=float, default=10.0, metavar="SECONDS", help="of --ready (default: 10)")
    for option, kind, what in (
        ("--waiting-max", int, "jobs wait"),
        ("--dead-max", int, "dead letters lie there"),
        ("--age-max-s", float, "seconds have passed since the next job came"),
    ):
        parser.add_argument(option, type=kind, metavar="NUMBER", help=f"degraded if more {what}, in any queue")


def add_activate(verb: Verb) -> None:
    """`stormq activate`."""
    run = later("commands_config", "activate")
    parser = verb("activate", run, "make a configuration the current one, also an older one; other workers drain")
    parser.add_argument("config", type=Path, metavar="FILE", help="the TOML file of all queues")
    parser.add_argument("--reason", required=True, help="for the audit stream")
    parser.add_argument("--actor", default="", help="for the audit stream (default: user@host)")


def add_config_check(verb: Verb) -> None:
    """`stormq config check`."""
    run = later("commands_config", "check_config")
    parser = verb("check", run, "say what is wrong with a configuration, or what it comes to")
    parser.epilog = "An environment variable takes the place of a value: STORMQ_QUEUES__EMAIL__TIMEOUT_S=30."
    parser.add_argument("config", type=Path, metavar="FILE", help="the TOML file of all queues")


def url_for(arguments: argparse.Namespace, config: Config | None = None) -> str:
    """The option's, else the file's and the environment's. Raises ``SettingsError``."""
    if names_redis(arguments):
        return str(arguments.redis_url)
    return os.environ.get(URL_VARIABLE) or HOME_URL if config is None else url_of(config)


def names_redis(arguments: argparse.Namespace) -> bool:
    """Whether the option says where Redis is."""
    return arguments.redis_url is not None


def later(module: str, name: str) -> Callable[[argparse.Namespace], int]:
    """A function of a module that is imported when it runs: most need redis-py, which a worker must not pay for."""

    def run(arguments: argparse.Namespace) -> int:
        return int(getattr(importlib.import_module(f".{module}", __package__), name)(arguments))

    return run
