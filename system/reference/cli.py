"""The command line of the reference queue, `stormq`."""
# ruff: noqa: T201  # it prints: that is what it is for

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Final

from .cli_config import add_activate, add_config_check, add_health, add_worker, later
from .cli_operators import add_dead, add_operations
from .endpoint import URL_VARIABLE
from .errors import EnqueueError, Rejected, SettingsError, StormqError, UnreachableError
from .options import add_settings

EPILOG: Final = """\
exit codes: 0 done; 1 refused, or not found; 2 wrong usage or settings; 3 nobody knows whether the job was stored;
4 Redis can't be reached; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except UnicodeEncodeError:
        return _told(SettingsError(["an argument is no UTF-8 text; allowed: UTF-8"]))
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
    add_worker(lambda name, run, text: _verb(verbs, name, run, text))

    enqueue = _verb(verbs, "enqueue", later("commands", "enqueue"), "store one job")
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

    shown = _verb(verbs, "info", later("commands", "show_info"), "count jobs by state")
    shown.add_argument("queues", nargs="*", metavar="QUEUE", help="default: every queue")

    dead = verbs.add_parser("dead", help="dead letters", description="Look at dead letters, requeue or remove them.")
    letters = dead.add_subparsers(dest="dead_verb", required=True, metavar="COMMAND")
    add_dead(lambda name, handler, text: _verb(letters, name, later("commands_operators", handler), text))
    add_operations(lambda name, handler, text: _verb(verbs, name, later("commands_operators", handler), text))

    add_health(lambda name, run, text: _verb(verbs, name, run, text))
    add_activate(lambda name, run, text: _verb(verbs, name, run, text))
    config = verbs.add_parser("config", help="the configuration file", description="Look at a configuration file.")
    checks = config.add_subparsers(dest="config_verb", required=True, metavar="COMMAND")
    add_config_check(lambda name, run, text: _verb(checks, name, run, text))
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(run=run)
    url_help = f"default: that of --config where there is one, else ${URL_VARIABLE}, else this host's"
    parser.add_argument("--redis-url", metavar="URL", help=url_help)
    if name != "worker":
        parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
