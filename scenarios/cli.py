"""``stormproof``: the command line. Errors end in one message and a documented exit code, never in a traceback."""

import argparse
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

from chaos.errors import HarnessError
from reports.objectives import ObjectiveError
from reports.run_record import RecordError
from scenarios.commands import check, demo, doctor, list_, planted, report, run, seeds, serve_load, validate
from scenarios.exit_codes import Exit
from scenarios.history_read import HistoryError
from scenarios.registered import ScenarioFileError
from scenarios.row_file import RowError
from scenarios.target_program import TargetError

COMMANDS: Final = (doctor, list_, validate, run, check, report, demo, seeds, planted, serve_load)
USAGE_ERRORS: Final = (TargetError, ScenarioFileError, ObjectiveError, RecordError, RowError)
EPILOGUE: Final = """exit codes:
  0 pass      1 fail      2 usage or configuration      3 inconclusive
  4 the harness or its environment failed              130 interrupted
  141 nobody read the output to its end"""


def parser() -> argparse.ArgumentParser:
    """The whole command line; each command adds its own part."""
    whole = argparse.ArgumentParser(
        prog="stormproof",
        description="Resilience tests for job queues: real Redis, real faults, real load, a verdict with evidence.",
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = parser().parse_args(arguments)
    perform: Callable[[argparse.Namespace], int] = options.perform
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _to_the_end(perform, options)
    except USAGE_ERRORS as error:
        return _say(error, Exit.USAGE)
    except (HarnessError, HistoryError) as error:
        return _say(error, Exit.HARNESS)
    except OSError as error:
        says = f"{error.filename or 'the system'}: {error.strerror or error}"
        return Exit.UNREAD if isinstance(error, BrokenPipeError) and _is_unread() else _say(says, Exit.HARNESS)
    except KeyboardInterrupt:
        return _say("interrupted; all faults are healed and all processes ended", Exit.INTERRUPTED)
    except Exception:  # noqa: BLE001  # Python would leave with 1, which says that the queue failed
        traceback.print_exc()
        return _say("this is a bug of Stormproof, and says nothing about the queue; please report it", Exit.HARNESS)


def _to_the_end(perform: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """What is written last may be refused too, and would be told by Python itself, at its end."""
    code = perform(options)
    sys.stdout.flush()
    return code


def _is_unread() -> bool:
    """Whether the reader of our output has gone (``| head``); what Python writes at its own end then goes nowhere."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(error: object, code: Exit) -> int:
    sys.stderr.write(f"stormproof: {error}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
