"""The command line of the reference queue: `stormq worker | enqueue | info | dead list | dead show`."""
# ruff: noqa: T201  # it prints: that is what it is for

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from redis.exceptions import RedisError

from .connection import connect
from .errors import EnqueueError, Rejected, SettingsError
from .inspection import dead_letters, find_dead, info, queue_names
from .keys import QUEUE_PATTERN
from .options import add_settings, read_settings
from .producer import Queue
from .scripts import load

URL_VARIABLE: Final = "STORMQ_REDIS_URL"
EPILOG: Final = """\
exit codes: 0 done; 1 refused, or not found; 2 wrong usage or settings; 3 nobody knows whether the job was stored;
4 Redis can't be reached; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except SettingsError as error:
        for problem in error.problems:
            print(f"stormq: {problem}", file=sys.stderr)
        return 2
    except Rejected as error:
        print(f"stormq: rejected, nothing was stored: {error}", file=sys.stderr)
        return 1
    except EnqueueError as error:
        print(f"stormq: unknown whether it was stored (again with the same --job-id is safe): {error}", file=sys.stderr)
        return 3
    except (RedisError, OSError) as error:
        print(f"stormq: {error}", file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stormq",
        description="A hardened job queue on RQ's data model.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    worker = _verb(
        verbs, "worker", _worker, "run jobs of queues until stopped (SIGTERM drains, a second one does not wait)"
    )
    worker.add_argument("queues", nargs="+", metavar="QUEUE", help="claimed in the order given")
    worker.add_argument("--name", help="the worker's name in CLIENT LIST and in RQ's lists (default: host, pid, time)")
    worker.add_argument(
        "--lua", type=Path, metavar="DIR", help="scripts of this folder take the place of ours of that name"
    )
    add_settings(worker)

    enqueue = _verb(verbs, "enqueue", _enqueue, "store one job")
    enqueue.add_argument("queue", metavar="QUEUE")
    enqueue.add_argument("func", metavar="FUNCTION", help="dotted name that a worker can import")
    enqueue.add_argument("args", nargs="*", metavar="ARG", help="JSON each, else taken as text")
    enqueue.add_argument("--job-id", metavar="ID", help="repeating an enqueue with its id has one effect")
    enqueue.add_argument(
        "--delay-s", type=float, default=0.0, metavar="SECONDS", help="not before so much time has passed"
    )
    enqueue.add_argument("--timeout-s", type=float, metavar="SECONDS", help="in place of the worker's setting")
    enqueue.add_argument("--max-attempts", type=int, metavar="NUMBER", help="in place of the worker's setting")
    enqueue.add_argument("--result-ttl-s", type=int, metavar="SECONDS", help="in place of the worker's setting")
    add_settings(enqueue, ("window_s", "enqueue_timeout_s"))

    shown = _verb(verbs, "info", _info, "count jobs by state")
    shown.add_argument("queues", nargs="*", metavar="QUEUE", help="default: every queue")

    dead = verbs.add_parser("dead", help="look at dead letters", description="Look at dead letters.")
    letters = dead.add_subparsers(dest="dead_verb", required=True, metavar="COMMAND")
    listed = _verb(letters, "list", _dead_list, "list dead letters, the newest first")
    listed.add_argument("queues", nargs="*", metavar="QUEUE", help="default: every queue")
    listed.add_argument("--limit", type=int, default=50, metavar="NUMBER", help="at most so many a queue (default: 50)")
    one = _verb(letters, "show", _dead_show, "show one dead letter with its traces")
    one.add_argument("job_id", metavar="ID")
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(run=run)
    url = os.environ.get(URL_VARIABLE, "redis://127.0.0.1:6379/0")
    parser.add_argument("--redis-url", default=url, metavar="URL", help=f"default: ${URL_VARIABLE}, else this host's")
    if name != "worker":
        parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _worker(arguments: argparse.Namespace) -> int:
    from .plan import Plan
    from .supervisor import Supervisor, worker_name

    settings = read_settings(arguments)
    load(arguments.lua)  # says now, and once, what is wrong with the folder
    bad = [queue for queue in arguments.queues if not QUEUE_PATTERN.fullmatch(queue)]
    if bad:
        raise SettingsError([f"queue {queue!r}: allowed are up to 200 of letters, digits and _ . : -" for queue in bad])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    overlay = str(arguments.lua.resolve()) if arguments.lua else ""
    queues = tuple(dict.fromkeys(arguments.queues))
    return Supervisor(Plan(arguments.redis_url, arguments.name or worker_name(), queues, overlay, settings)).run()


def _enqueue(arguments: argparse.Namespace) -> int:
    queue = Queue(arguments.queue, arguments.redis_url, read_settings(arguments))
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


def _argument(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _info(arguments: argparse.Namespace) -> int:
    redis = connect(arguments.redis_url, connections_max=1)
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


def _dead_list(arguments: argparse.Namespace) -> int:
    redis = connect(arguments.redis_url, connections_max=1)
    queues = arguments.queues or queue_names(redis)
    letters = [letter for queue in queues for letter in dead_letters(redis, queue, max(1, arguments.limit))]
    if arguments.json:
        print(json.dumps([asdict(letter) for letter in letters]))
        return 0
    for letter in letters:
        counts = f"attempts {letter.attempts}, crashes {letter.crashes}, stalls {letter.stalls}"
        print(f"{letter.died_at}  {letter.queue}  {letter.job_id}  {letter.reason}  ({counts})")
    if not letters:
        print("no dead letters")
    return 0


def _dead_show(arguments: argparse.Namespace) -> int:
    found = find_dead(connect(arguments.redis_url, connections_max=1), arguments.job_id)
    if found is None:
        print(f"stormq: {arguments.job_id} is no dead letter", file=sys.stderr)
        return 1
    letter, traces = found
    if arguments.json:
        print(json.dumps({**asdict(letter), "traces": traces}))
        return 0
    for name, value in asdict(letter).items():
        print(f"{name:<12} {value}")
    for number, trace in enumerate(traces, start=1):
        print(f"\n--- trace {number} of {len(traces)}\n{trace.rstrip()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
