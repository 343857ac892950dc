"""What `stormq dead`, `pause`, `resume`, `cancel`, `audit` and `key` do."""
# ruff: noqa: T201  # it prints: that is what it is for

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from itertools import islice
from typing import Final

from redis import Redis

from .archive import archive
from .audit import Asked, read_audit
from .cli_config import names_redis, url_for
from .codec import codec_from_environment, new_key
from .commands import needs_redis
from .config import Config
from .config_file import load_config
from .connection import connect
from .dead_letters import DeadLetter, DeadLetters, Tally, Which
from .errors import SettingsError
from .operations import Actor, Operations, Transitions, this_actor
from .settings import Settings

PROGRAM: Final = "stormq cli"


@needs_redis
def list_dead(arguments: argparse.Namespace) -> int:
    """List dead letters."""
    found = _dead(arguments).find(_which(arguments), newest_first=True)
    letters = list(islice(found, arguments.limit))
    if arguments.json:
        print(json.dumps([asdict(letter) for letter in letters]))
        return 0
    for letter in letters:
        counts = f"attempts {letter.attempts}, crashes {letter.crashes}, stalls {letter.stalls}"
        said = f"  {letter.error_type}: {letter.error_message}" if letter.error_type else ""
        print(f"{letter.died_at}  {letter.queue}  {letter.job_id}  {letter.reason}  ({counts}){said}")
    if not letters:
        print("no dead letters")
    return 0


@needs_redis
def show_dead(arguments: argparse.Namespace) -> int:
    """Show one dead letter."""
    dead = _dead(arguments)
    letter = dead.get(arguments.job_id)
    runs = dead.history(letter.job_id)
    if arguments.json:
        print(json.dumps({**asdict(letter), "history": [asdict(run) for run in runs]}))
        return 0
    for name, value in asdict(letter).items():
        print(f"{name:<14} {value}")
    for number, run in enumerate(runs, start=1):
        print(f"\n--- run {number} of {len(runs)}: {run.at} {run.kind} {run.error_type} by {run.worker}")
        for name, value in run.context.items():
            print(f"{name:<14} {value}")
        print(run.trace.rstrip())
    return 0


@needs_redis
def requeue_dead(arguments: argparse.Namespace) -> int:
    """Give dead letters another life."""
    dead = _dead(arguments)
    tally = dead.requeue_all(
        _chosen(dead, arguments),
        arguments.reason,
        times_max=arguments.times_max,
        delay_s=arguments.delay,
        per_minute=arguments.rate,
        told=_tell,
    )
    return _summed(tally, "requeued", arguments)


@needs_redis
def discard_dead(arguments: argparse.Namespace) -> int:
    """Remove dead letters for good."""
    dead = _dead(arguments)
    tally = dead.discard_all(_chosen(dead, arguments), arguments.reason, told=_tell)
    return _summed(tally, "discarded", arguments)


@needs_redis
def archive_dead(arguments: argparse.Namespace) -> int:
    """Move dead letters past their retention into an archive."""
    config = _config(arguments)
    url = arguments.url or (config.archive if config else "")
    if not url:
        raise SettingsError(["no archive is given; allowed: its URL, or archive in the table [audit] of --config"])
    dead = _dead(arguments, config)
    done = archive(dead, _past_retention(dead, arguments, config), url, arguments.reason)
    for file in done.files:
        print(file, file=sys.stderr)
    return _summed(done.removed, "archived", arguments, files=done.files)


@needs_redis
def expire_dead(arguments: argparse.Namespace) -> int:
    """Remove dead letters past their retention."""
    config = _config(arguments)
    dead = _dead(arguments, config)
    chosen = _past_retention(dead, arguments, config)
    return _summed(dead.discard_all(chosen, arguments.reason, action="expire", told=_tell), "expired", arguments)


@needs_redis
def pause_queue(arguments: argparse.Namespace) -> int:
    """Start no more jobs of a queue."""
    epoch = _operations(arguments).pause(arguments.queue, arguments.reason)
    return _done(arguments, f"{arguments.queue} paused", queue=arguments.queue, outcome="paused", epoch=epoch)


@needs_redis
def resume_queue(arguments: argparse.Namespace) -> int:
    """Start jobs of a queue again."""
    epoch = _operations(arguments).resume(arguments.queue, arguments.reason)
    return _done(arguments, f"{arguments.queue} resumed", queue=arguments.queue, outcome="resumed", epoch=epoch)


@needs_redis
def cancel_job(arguments: argparse.Namespace) -> int:
    """End a job."""
    outcome = _operations(arguments).cancel(arguments.job_id, arguments.reason)
    said = f"{arguments.job_id} {outcome}" + (": its worker ends it at its next heartbeat" * (outcome == "requested"))
    return _done(arguments, said, job_id=arguments.job_id, outcome=outcome)


@needs_redis
def show_audit(arguments: argparse.Namespace) -> int:
    """Show the audit stream."""
    redis = _redis(arguments)
    since_s = None if arguments.since is None else Transitions(redis).now_us() / 1e6 - arguments.since
    asked = Asked(arguments.job, arguments.queue, arguments.actor, arguments.action, since_s)
    entries = list(islice(read_audit(redis, asked), arguments.limit))
    if arguments.json:
        print(json.dumps([asdict(entry) for entry in entries]))
        return 0
    for entry in entries:
        about = " ".join(part for part in (entry.queue, entry.job) if part)
        why = f"  ({entry.reason})" if entry.reason else ""
        found = f"{entry.before} -> " if entry.before else ""
        print(f"{entry.at}  {entry.actor}  {entry.action}  {about}  {found}{entry.outcome}{why}  [{entry.origin}]")
    if not entries:
        print("no entries")
    return 0


def show_new_key(arguments: argparse.Namespace) -> int:
    """Print a new line for a key file."""
    print(new_key(arguments.key_id))
    return 0


def _redis(arguments: argparse.Namespace, config: Config | None = None) -> Redis:
    return connect(url_for(arguments, config), connections_max=1)


def _actor(arguments: argparse.Namespace) -> Actor:
    return this_actor(getattr(arguments, "actor", ""), PROGRAM)


def _operations(arguments: argparse.Namespace) -> Operations:
    _demand_reason(arguments)
    return Operations(_redis(arguments), actor=_actor(arguments))


def _dead(arguments: argparse.Namespace, config: Config | None = None) -> DeadLetters:
    _demand_reason(arguments)
    return DeadLetters(_redis(arguments, config), actor=_actor(arguments), codec=codec_from_environment())


def _demand_reason(arguments: argparse.Namespace) -> None:
    if not getattr(arguments, "reason", "-").strip():
        raise SettingsError(["--reason is empty; allowed: why this is done, for the audit"])


def _which(arguments: argparse.Namespace) -> Which:
    return Which(tuple(arguments.queues), arguments.died_of, arguments.error_type, arguments.older_than)


def _chosen(dead: DeadLetters, arguments: argparse.Namespace) -> Iterable[DeadLetter]:
    """The letters of the ids, or those that the filters choose. Raises ``SettingsError`` if neither says anything."""
    which = _which(arguments)
    if bool(arguments.job_ids) == (arguments.all or which != Which()):
        raise SettingsError(["which dead letters? Allowed: ids, or filters (--queue, --error-type, ...), or --all"])
    if arguments.job_ids:
        return [dead.get(job_id) for job_id in dict.fromkeys(arguments.job_ids)]
    return islice(dead.find(which), arguments.limit)


def _config(arguments: argparse.Namespace) -> Config | None:
    config = (
        load_config(arguments.config, os.environ, with_redis=not names_redis(arguments)) if arguments.config else None
    )
    if config:
        config.check_names(arguments.queues)
    return config


def _past_retention(dead: DeadLetters, arguments: argparse.Namespace, config: Config | None) -> Iterator[DeadLetter]:
    """Each queue's, by its own retention; that of queues without a configuration is the default."""
    which = _which(arguments)
    for queue in which.queues or (tuple(config.queues) if config else dead.queues()):
        kept_s = config.queues[queue].settings.dead_retention_s if config else Settings().dead_retention_s
        older_s = kept_s if which.older_than_s is None else which.older_than_s
        yield from dead.find(replace(which, queues=(queue,), older_than_s=older_s))


def _tell(letter: DeadLetter, outcome: str) -> None:
    print(f"{letter.queue}  {letter.job_id}  {f'refused: {outcome}' if outcome else 'done'}", file=sys.stderr)


def _summed(tally: Tally, what: str, arguments: argparse.Namespace, **more: object) -> int:
    refused = "".join(f", {number} refused ({why})" for why, number in sorted(tally.refused.items()))
    _done(arguments, f"{tally.done} {what}{refused}", **{what: tally.done}, refused=dict(tally.refused), **more)
    return 1 if tally.refused else 0


def _done(arguments: argparse.Namespace, said: str, **told: object) -> int:
    print(json.dumps(told) if arguments.json else said)
    return 0
