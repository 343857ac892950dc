"""Named steps with their seconds, the programs that they run, and the one error that a user sees."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STEP_TIMEOUT_S: Final = 900.0
_TAIL_LINES: Final = 6


class SetupError(Exception):
    """What could not be had, why, and how to get it."""

    def __init__(self, what: str, remedy: str, why: str = "") -> None:
        """``why`` is what the program that failed said last."""
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.why = why

    def __str__(self) -> str:
        """The one message."""
        why = "".join(f"\n    {line}" for line in self.why.splitlines())
        again = "Then run `make setup` again: it goes on from here."
        return f"set-up stopped: {self.what}{why}\n  {self.remedy}\n  {again}"


@contextmanager
def step(name: str) -> Iterator[None]:
    """Says what is being done before it is, and how long it took after."""
    begin = time.monotonic()
    sys.stdout.write(f"  {name} ... ")
    sys.stdout.flush()
    try:
        yield
    except BaseException:
        sys.stdout.write(f"not done ({time.monotonic() - begin:.1f} s)\n")
        sys.stdout.flush()
        raise
    sys.stdout.write(f"{time.monotonic() - begin:.1f} s\n")
    sys.stdout.flush()


class CommandError(Exception):
    """A program failed; the text is the end of what it said."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs programs in the set-up's environment, their output kept in a log."""

    env: Mapping[str, str]
    log: Path

    def __call__(self, argv: Iterable[str | Path], *, env: Mapping[str, str] | None = None) -> str:
        """What the program said. ``CommandError``: it failed, is not there, or took longer than ``STEP_TIMEOUT_S``."""
        command = [str(each) for each in argv]
        # A session of its own: an end at the time limit reaches what the program started, too.
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=dict(env or self.env),
                start_new_session=True,
            )
        except OSError as error:
            raise CommandError(str(error)) from error
        try:
            said, _ = process.communicate(timeout=STEP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            _end(process)
            raise CommandError(f"no end after {STEP_TIMEOUT_S:.0f} s: {command[0]}") from None
        except BaseException:
            _end(process)
            raise
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command)}\n{said}\n")
        if process.returncode != 0:
            lines = [line for line in said.splitlines() if line.strip()]
            raise CommandError("\n".join(lines[-_TAIL_LINES:]) or f"exit code {process.returncode}")
        return said


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
