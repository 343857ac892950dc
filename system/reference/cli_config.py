"""Options of `stormq worker`, `health`, `activate` and `config check`, and what starts a worker."""
# it prints: that is what it is for

import argparse
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from . import worker_log
from .codec import KEY_FILE_VARIABLE, KEYS_VARIABLE, codec_from_environment
from .config import Config
from .config_file import load_config
from .endpoint import URL_VARIABLE, parse
from .errors import SettingsError
from .keys import QUEUE_PATTERN
from .options import add_settings, given_options, read_settings
from .plan import Plan
from .registration import Registration
from .replicas import check_replicas
from .scripts import load
from .worker_plan import plan_of, url_of

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
HEALTH_EPILOG: Final = """\
exit codes: 0 healthy; 1 unhealthy or not ready; 2 wrong usage or settings; 3 degraded; 4 Redis can't be reached (a
liveness probe should take that for alive: a restart mends nothing)"""


def add_worker(verb: Verb) -> None:
    """`stormq worker`."""
    parser = verb("worker", run_worker, "run jobs of queues until stopped (SIGTERM drains, a second one does not wait)")
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
    parser = verb("health", _later("show_health"), "say how queues and workers are")
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
    parser = verb(
        "activate", _later("activate"), "make a configuration the current one, also an older one; other workers drain"
    )
    parser.add_argument("config", type=Path, metavar="FILE", help="the TOML file of all queues")
    parser.add_argument("--reason", required=True, help="for the audit stream")
    parser.add_argument("--actor", default="", help="for the audit stream (default: user@host)")


def add_config_check(verb: Verb) -> None:
    """`stormq config check`."""
    parser = verb("check", _later("check_config"), "say what is wrong with a configuration, or what it comes to")
    parser.epilog = "An environment variable takes the place of a value: STORMQ_QUEUES__EMAIL__TIMEOUT_S=30."
    parser.add_argument("config", type=Path, metavar="FILE", help="the TOML file of all queues")


def run_worker(arguments: argparse.Namespace) -> int:
    """Be a worker until stopped. Raises ``SettingsError``."""
    from .supervisor import Supervisor, worker_name

    scripts = load(arguments.lua)  # what is wrong with folder or URL is said now, and once
    overlay = str(arguments.lua.resolve()) if arguments.lua else ""
    worker = arguments.name or worker_name()
    codec = codec_from_environment()
    worker_log.set_up()
    if codec is None:
        said = "payloads are not encrypted: neither $%s nor $%s is set"
        logging.getLogger("stormq.worker").info(said, KEY_FILE_VARIABLE, KEYS_VARIABLE)
    if arguments.config is None:
        plan, registration = _plain_plan(arguments, worker, overlay), None
    else:
        with_redis = not _names_redis(arguments)
        config = load_config(arguments.config, os.environ, given_options(arguments), with_redis=with_redis)
        url, named = url_for(arguments, config), bool(arguments.name)
        plan = plan_of(config, arguments.queues, url=url, worker=worker, named=named, overlay=overlay)
        _check_names(plan.queues)
        registration = Registration(config, [name for name in plan.queues if name in config.queues], worker, scripts)
    check_replicas(parse(plan.url), plan.settings)
    return Supervisor(plan, registration).run()


def default_url() -> str:
    """Where Redis is if nobody says."""
    return os.environ.get(URL_VARIABLE, "redis://127.0.0.1:6379/0")


def url_for(arguments: argparse.Namespace, config: Config | None) -> str:
    """The option's, else the file's and the environment's. Raises ``SettingsError``."""
    return arguments.redis_url if _names_redis(arguments) or config is None else url_of(config)


def _names_redis(arguments: argparse.Namespace) -> bool:
    return bool(arguments.redis_url != default_url())


def _plain_plan(arguments: argparse.Namespace, worker: str, overlay: str) -> Plan:
    """Without a file: every slot serves every queue, and nothing is registered."""
    settings = read_settings(arguments)
    queues = tuple(dict.fromkeys(arguments.queues))
    if not queues:
        raise SettingsError(["which queues? allowed: QUEUE..., or --config FILE, which names them"])
    _check_names(queues)
    return Plan(arguments.redis_url, worker, queues, overlay, settings)


def _check_names(queues: tuple[str, ...]) -> None:
    bad = [queue for queue in queues if not QUEUE_PATTERN.fullmatch(queue)]
    if bad:
        raise SettingsError([f"queue {queue!r}: allowed are up to 200 of letters, digits and _ . : -" for queue in bad])


def _later(name: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        from . import commands_config  # with redis-py, which a worker must not pay for

        return int(getattr(commands_config, name)(arguments))

    return run
