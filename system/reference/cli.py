"""The command line of the reference queue, `stormq`."""
# ruff: noqa: T201  # it prints: that is what it is for

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from .cli_operators import add_dead, add_operations
from .endpoint import parse
from .errors import EnqueueError, Rejected, SettingsError, StormqError, UnreachableError
from .keys import QUEUE_PATTERN
from .options import add_settings, read_settings
from .plan import Plan
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
    except (StormqError, OSError) as error:
        return _told(error)
    except KeyboardInterrupt:
        return 130


def _told(error: Exception) -> int:
    said, code = [str(error)], 1  # refused, or not found
    match error:
        case SettingsError():
            said, code = list(error.problems), 2
        case Rejected():
            said = [f"rejected, nothing was stored: {error}"]
        case EnqueueError():
            said, code = [f"unknown whether it was stored (again with the same --job-id is safe): {error}"], 3
        case UnreachableError() | OSError():
            code = 4
    for each in said:
        print(f"stormq: {each}", file=sys.stderr)
    return code


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

    enqueue = _verb(verbs, "enqueue", _command("enqueue"), "store one job")
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

    shown = _verb(verbs, "info", _command("show_info"), "count jobs by state")
    shown.add_argument("queues", nargs="*", metavar="QUEUE", help="default: every queue")

    dead = verbs.add_parser("dead", help="dead letters", description="Look at dead letters, requeue or remove them.")
    letters = dead.add_subparsers(dest="dead_verb", required=True, metavar="COMMAND")
    add_dead(lambda name, handler, text: _verb(letters, name, _operate(handler), text))
    add_operations(lambda name, handler, text: _verb(verbs, name, _operate(handler), text))
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
    from .supervisor import Supervisor, worker_name

    settings = read_settings(arguments)
    load(arguments.lua)  # what is wrong with folder or URL is said now, and once
    parse(arguments.redis_url)
    bad = [queue for queue in arguments.queues if not QUEUE_PATTERN.fullmatch(queue)]
    if bad:
        raise SettingsError([f"queue {queue!r}: allowed are up to 200 of letters, digits and _ . : -" for queue in bad])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    overlay = str(arguments.lua.resolve()) if arguments.lua else ""
    queues = tuple(dict.fromkeys(arguments.queues))
    return Supervisor(Plan(arguments.redis_url, arguments.name or worker_name(), queues, overlay, settings)).run()


def _operate(name: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        from . import commands_operators

        return int(getattr(commands_operators, name)(arguments))

    return run


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        from . import commands

        return int(getattr(commands, name)(arguments))

    return run


if __name__ == "__main__":
    sys.exit(main())
