"""What `stormq enqueue` and `info` do. Apart from ``cli``, since a worker has no use for redis-py."""
# ruff: noqa: T201  # it prints: that is what it is for

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps

from redis.exceptions import RedisError

from .cli_config import names_redis, url_for
from .codec import codec_from_environment
from .config_file import load_config, settings_of_options
from .connection import connect
from .errors import UnreachableError
from .inspection import info, queue_names
from .options import given_options
from .producer import Queue
from .settings import Settings

Run = Callable[[argparse.Namespace], int]


def needs_redis(run: Run) -> Run:
    """Tells errors of Redis as what they are to a user: it can't be reached, or does not do what it is asked."""

    @wraps(run)
    def guarded(arguments: argparse.Namespace) -> int:
        try:
            return run(arguments)
        except (RedisError, OSError) as error:
            raise UnreachableError(f"Redis does not answer as it should: {error}") from error

    return guarded


@needs_redis
def enqueue(arguments: argparse.Namespace) -> int:
    """Store one job."""
    url, settings = where_and_how(arguments)
    redis = connect(url, connections_max=1)
    queue = Queue(arguments.queue, redis, settings, codec=codec_from_environment(), outage="block")
    done = queue.enqueue(
        arguments.func,
        *map(_argument, arguments.args),
        job_id=arguments.job_id,
        delay_s=arguments.delay_s,
        timeout_s=arguments.timeout_s,
        max_attempts=arguments.max_attempts,
        result_ttl_s=arguments.result_ttl_s,
    )
    print(json.dumps(asdict(done)) if arguments.json else f"{done.job_id} {done.outcome}")
    return 0


def where_and_how(arguments: argparse.Namespace) -> tuple[str, Settings]:
    """The URL of Redis and the queue's settings: options win over the file, where there is one."""
    options = given_options(arguments)
    if arguments.config is None:
        return url_for(arguments), settings_of_options(options)
    config = load_config(arguments.config, os.environ, options, with_redis=not names_redis(arguments))
    return url_for(arguments, config), config.settings_of(arguments.queue)


@needs_redis
def show_info(arguments: argparse.Namespace) -> int:
    """Count jobs by state."""
    redis = connect(url_for(arguments), connections_max=1)
    rows = info(redis, arguments.queues or queue_names(redis))
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))
        return 0
    print(f"{'queue':<24}{'waiting':>9}{'delayed':>9}{'running':>9}{'finished':>10}{'dead':>7}  last sweep")
    for row in rows:
        swept = "never" if row.swept_s_ago is None else f"{row.swept_s_ago:.1f} s ago"
        print(
            f"{row.queue:<24}{row.waiting:>9}{row.delayed:>9}{row.running:>9}{row.finished:>10}{row.dead:>7}  {swept}"
        )
    return 0


def _argument(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
