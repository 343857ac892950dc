"""What `stormq health`, `activate` and `config check` do."""
# ruff: noqa: T201  # it prints: that is what it is for

import argparse
import json
import os
from dataclasses import asdict
from typing import Any

from redis import Redis

from .cli_config import names_redis, url_for
from .commands import needs_redis
from .config import Config
from .config_file import load_config
from .connection import connect
from .errors import SettingsError
from .health import Bounds, Health, health, liveness, readiness
from .keys import sp_key
from .operations import Transitions, this_actor
from .redaction import redact
from .registration import RegistrationError, refusal, register_arguments


def show_health(arguments: argparse.Namespace) -> int:
    """Say how queues and workers are; the exit code says it, too."""
    config = (
        load_config(arguments.config, os.environ, with_redis=not names_redis(arguments)) if arguments.config else None
    )
    if config and arguments.queues:
        config.check_names(arguments.queues)
    if not 0 < arguments.timeout_s <= 600:  # noqa: PLR2004  # in the message
        raise SettingsError([f"--timeout-s is {arguments.timeout_s:g}; allowed: above 0, up to 600"])
    redis = connect(url_for(arguments, config), connections_max=1)
    if arguments.live:
        found = liveness(redis, arguments.worker)
    elif arguments.ready:
        found = readiness(redis, config, worker=arguments.worker, timeout_s=arguments.timeout_s)
    else:
        bounds = Bounds(arguments.waiting_max, arguments.dead_max, arguments.age_max_s)
        found = health(redis, config, queues=arguments.queues, bounds=bounds)
    print(json.dumps(found.to_json()) if arguments.json else _as_text(found))
    return found.exit_code


def _as_text(found: Health) -> str:
    lines = [found.status if found.ready is None else "ready" if found.ready else f"not ready ({found.status})"]
    lines += [f"  {problem}" for problem in found.problems]
    if found.queues:
        columns = ("waiting", "active", "delayed", "dead", "stalled")
        lines.append(f"{'queue':<24}" + "".join(f"{name:>9}" for name in (*columns, "oldest", "workers")))
    for queue in found.queues:
        counts = "".join(f"{getattr(queue, name):>9}" for name in columns)
        oldest = "-" if queue.oldest_age_s is None else f"{queue.oldest_age_s:.0f} s"
        lines.append(f"{queue.queue:<24}{counts}{oldest:>9}{len(queue.workers):>9}")
    return "\n".join(lines)


@needs_redis
def activate(arguments: argparse.Namespace) -> int:
    """Make a configuration the current one of its queues, whatever version holds now."""
    config = load_config(arguments.config, os.environ, with_redis=not names_redis(arguments))
    redis: Any = connect(url_for(arguments, config), connections_max=1)
    actor = this_actor(arguments.actor, "stormq cli")
    done = activate_config(redis, config, actor.name, actor.origin, arguments.reason)
    for name, before in done.items():
        told = {"queue": name, "version": config.version, "before": before}
        shown = f"{name}: version {config.version} holds (before: {before or 'none'})"
        print(json.dumps(told) if arguments.json else shown)
    return 0


def activate_config(redis: Redis, config: Config, actor: str, origin: str, reason: str) -> dict[str, int]:
    """Register ``config`` in place of what holds; by queue the version that held (0: none).

    Raises ``RegistrationError`` if its version stands for other contents, or somebody else changed it meanwhile: those
    queues keep what they had. Workers of another version drain.
    """
    client: Any = redis
    transitions, before, problems = Transitions(redis), dict[str, int](), []
    for name, queue in config.queues.items():
        before[name] = int(client.hget(sp_key("ctl", name), "version") or 0)
        call = register_arguments(queue, config.version, before[name], actor, origin, reason)
        problems += [told] if (told := refusal(queue, config.version, transitions.call("register", *call))) else []
    if problems:
        raise RegistrationError(problems)
    return before


def check_config(arguments: argparse.Namespace) -> int:
    """Say what is wrong with a configuration, or what it comes to."""
    config = load_config(arguments.config, os.environ, with_redis=True)
    if arguments.json:
        print(json.dumps(redact(asdict(config)), default=str))
        return 0
    print(f"{config.place}: version {config.version}, {len(config.queues)} queues")
    print(f"{'queue':<24}{'attempts':>9}{'timeout':>9}{'limit':>7}{'slots':>7}  {'rate':<34}backoff")
    for name, queue in config.queues.items():
        settings, rate = queue.settings, queue.rate
        limit = "-" if queue.concurrency is None else str(queue.concurrency)
        rated = f"{rate.n} in {rate.window_s:g} s ({rate.name})" if rate else "-"
        backoff = f"{settings.backoff.kind} {settings.backoff.base_s:g} s to {settings.backoff.cap_s:g} s"
        numbers = f"{settings.max_attempts:>9}{settings.timeout_s:>7g} s{limit:>7}{queue.slots:>7}"
        print(f"{name:<24}{numbers}  {rated:<34}{backoff}")
    print(f"{config.shared_slots} slots of each worker serve all queues")
    return 0
