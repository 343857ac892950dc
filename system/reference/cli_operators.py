"""The verbs of `stormq` that are an operator's. What they do is in ``commands_operators``, which needs redis-py."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

Verb = Callable[[str, str, str], argparse.ArgumentParser]
DIED_OF: Final = ("exhausted", "timeout", "stalled", "crashed", "unserialisable", "unsupported", "rejected")
UNIT_S: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def add_dead(verb: Verb) -> None:
    """`stormq dead ...`. ``verb(name, handler, help)`` makes a parser."""
    listed = verb("list", "list_dead", "list dead letters, the newest first")
    listed.add_argument("queues", nargs="*", metavar="QUEUE", help="default: every queue")
    _add_filters(listed, "--reason")
    listed.add_argument("--limit", type=_count, default=50, metavar="NUMBER", help="at most so many (default: 50)")

    one = verb("show", "show_dead", "show one dead letter with its runs and their traces")
    one.add_argument("job_id", metavar="ID")

    again = verb("requeue", "requeue_dead", "give dead letters another life: by id, or all that filters choose")
    _add_choice(again)
    again.add_argument("--times-max", type=_count, metavar="NUMBER", help="not those that had as many lives already")
    again.add_argument("--rate", type=_rate, metavar="PER_MINUTE", help="at most so many a minute, evenly")
    again.add_argument(
        "--delay", type=duration_s, default=0.0, metavar="TIME", help="not before so much time has passed"
    )
    _add_author(again)

    away = verb("discard", "discard_dead", "remove dead letters for good: by id, or all that filters choose")
    _add_choice(away)
    _add_author(away)

    kept = verb("archive", "archive_dead", "write dead letters past their retention to a file, then remove them")
    kept.add_argument(
        "url",
        nargs="?",
        metavar="URL",
        help="a folder for compressed NDJSON, in any storage that fsspec knows: /path, s3://bucket/path"
        " (default: that of --config)",
    )
    _add_retention(kept)

    gone = verb("expire", "expire_dead", "remove dead letters past their retention, and keep nothing of them")
    _add_retention(gone)


def add_operations(verb: Verb) -> None:
    """`stormq pause`, `resume`, `cancel`, `audit`, `key`."""
    for name, text in (
        ("pause", "start no more jobs of a queue; what runs goes on"),
        ("resume", "start jobs of a queue again; an open circuit breaker is closed"),
    ):
        parser = verb(name, f"{name}_queue", text)
        parser.add_argument("queue", metavar="QUEUE")
        _add_author(parser)

    ended = verb("cancel", "cancel_job", "end a job that waits, is delayed, or runs")
    ended.add_argument("job_id", metavar="ID")
    _add_author(ended)

    audit = verb("audit", "show_audit", "show who did what to queues and jobs, the newest first")
    for name, text in (
        ("job", "of this job"),
        ("queue", "of this queue"),
        ("actor", "by this actor"),
        ("action", "of this kind: pause, resume, cancel, requeue, discard, archive, expire, register, run, ..."),
    ):
        audit.add_argument(f"--{name}", default="", metavar=name.upper(), help=text)
    audit.add_argument("--since", type=duration_s, metavar="TIME", help="not older than this: 90d, 12h, 30m, 45s")
    audit.add_argument("--limit", type=_count, default=100, metavar="NUMBER", help="at most so many (default: 100)")

    key = verb("key", "show_new_key", "print a new line for a key file (STORMQ_KEY_FILE), which seals payloads")
    key.add_argument(
        "key_id", metavar="ID", help="its name, such as the date; the file's first line seals, all lines open"
    )


def duration_s(text: str) -> float:
    """Seconds of `90d`, `12h`, `30m`, `45s`, `2w` or a plain number."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw]?)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a number and s, m, h, d or w, as in 90d")
    return float(match[1]) * UNIT_S[match[2]]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: 1 or more")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.01 <= rate <= 1_000_000:  # noqa: PLR2004  # said below
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: 0.01 to 1000000")
    return rate


def _add_filters(parser: argparse.ArgumentParser, *aliases: str, older_than: str = "") -> None:
    parser.add_argument("--error-type", default="", metavar="NAME", help="whose last failure was this: ValueError")
    parser.add_argument("--died-of", *aliases, choices=DIED_OF, default="", help="dead for this reason")
    shown = f"dead for longer than this: 90d, 12h, 30m, 45s{f' (default: {older_than})' if older_than else ''}"
    parser.add_argument("--older-than", type=duration_s, metavar="TIME", help=shown)


def _add_retention(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="the TOML file of all queues: their retentions")
    parser.add_argument("--queue", action="append", default=[], dest="queues", metavar="QUEUE", help="default: all")
    _add_filters(parser, older_than="the queue's dead_retention_s in --config, else 90d")
    _add_author(parser, reason="retention")


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job_ids", nargs="*", metavar="ID")
    parser.add_argument("--queue", action="append", default=[], dest="queues", metavar="QUEUE", help="of these queues")
    _add_filters(parser)
    parser.add_argument("--all", action="store_true", help="every dead letter there is")
    parser.add_argument("--limit", type=_count, metavar="NUMBER", help="at most so many, the oldest first")


def _add_author(parser: argparse.ArgumentParser, reason: str | None = None) -> None:
    parser.add_argument("--actor", default="", metavar="NAME", help="who asks for it (default: user@host)")
    shown = f" (default: {reason})" if reason else ""
    parser.add_argument("--reason", required=reason is None, default=reason, metavar="TEXT", help=f"why{shown}")
