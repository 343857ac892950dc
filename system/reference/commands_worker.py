"""What `stormq worker` does: from options, or from the file of all queues, to a supervisor that runs."""

import argparse
import logging
import os
from collections.abc import Sequence

from . import worker_log
from .cli_config import names_redis, url_for
from .codec import KEY_FILE_VARIABLE, KEYS_VARIABLE, codec_from_environment
from .config_file import load_config, settings_of_options
from .endpoint import parse
from .errors import SettingsError
from .keys import QUEUE_ALLOWED, QUEUE_PATTERN
from .options import given_options
from .plan import Plan
from .registration import Registration
from .replicas import check_replicas
from .scripts import load
from .supervisor import Supervisor, worker_name
from .worker_plan import plan_of


def run_worker(arguments: argparse.Namespace) -> int:
    """Be a worker until stopped. Raises ``SettingsError``."""
    scripts = load(arguments.lua)  # what is wrong with folder or URL is said now, and once
    overlay = str(arguments.lua.resolve()) if arguments.lua else ""
    worker = arguments.name or worker_name()
    if problem := _wrong_name(worker):
        raise SettingsError([problem, *_wrong_queues(arguments.queues)])
    codec = codec_from_environment()
    worker_log.set_up()
    if codec is None:
        said = "payloads are not encrypted: neither $%s nor $%s is set"
        logging.getLogger("stormq.worker").info(said, KEY_FILE_VARIABLE, KEYS_VARIABLE)
    if arguments.config is None:
        plan, registration = _plain_plan(arguments, worker, overlay), None
    else:
        with_redis = not names_redis(arguments)
        config = load_config(arguments.config, os.environ, given_options(arguments), with_redis=with_redis)
        url, named = url_for(arguments, config), bool(arguments.name)
        plan = plan_of(config, arguments.queues, url=url, worker=worker, named=named, overlay=overlay)
        _check_names(plan.queues)
        registration = Registration(config, [name for name in plan.queues if name in config.queues], worker, scripts)
    check_replicas(parse(plan.url), plan.settings)
    return Supervisor(plan, registration).run()


def _plain_plan(arguments: argparse.Namespace, worker: str, overlay: str) -> Plan:
    """Without a file: every slot serves every queue, and nothing is registered."""
    settings = settings_of_options(given_options(arguments))
    queues = tuple(dict.fromkeys(arguments.queues))
    if not queues:
        raise SettingsError(["which queues? allowed: QUEUE..., or --config FILE, which names them"])
    _check_names(queues)
    return Plan(url_for(arguments), worker, queues, overlay, settings)


def _check_names(queues: Sequence[str]) -> None:
    if problems := _wrong_queues(queues):
        raise SettingsError(problems)


def _wrong_queues(queues: Sequence[str]) -> list[str]:
    return [f"queue {queue!r}: {QUEUE_ALLOWED}" for queue in queues if not QUEUE_PATTERN.fullmatch(queue)]


def _wrong_name(worker: str) -> str:
    """Redis would refuse it as the name of a connection, each time that one is made."""
    lawful = all("!" <= character <= "~" for character in worker)
    return "" if lawful else f"--name is {worker!r}; allowed: ASCII without spaces"
