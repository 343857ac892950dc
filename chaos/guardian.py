"""The process that outlives the harness and leaves nothing behind.

A parent-death signal does not reach grandchildren, and a SIGKILLed harness can't tidy up. So a separate process holds
the reading end of a pipe whose other end only the harness has:

    harness ──pipe──> guardian      "watch PID" for each process that the harness spawns
       ╳ (any end)    guardian      reads EOF, kills whatever carries the campaign's mark, removes the runtime folder

It ends a normal campaign as well, so its work is done in every run and not only in the one that went wrong.
Standard library only. It carries no mark itself.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from chaos.procfs import CAMPAIGN_VARIABLE, belonging, is_alive, process

SWEEP_S_MAX: Final = 30.0  # a process in uninterruptible sleep may never go
PAUSE_S: Final = 0.005

PROGRAM: Final = "import sys; sys.path.insert(0, sys.argv.pop(1)); from chaos.guardian import main; main()"


def end_all(marks: Collection[str], sessions: Collection[int] = ()) -> int:
    """SIGKILL everything that carries all ``marks``, over and over until a look finds none; returns how many.

    One look is not enough: a process may have forked after it was listed. Returns when all of them are gone: one with
    many threads and much memory has no environment any more some time before its end can be seen.
    """
    ended: set[tuple[int, int]] = set()
    end_s = time.monotonic() + SWEEP_S_MAX
    while found := [each for each in belonging(marks, sessions) if each.pid != os.getpid()]:
        for each in found:
            ended.add((each.pid, each.start))
            try:
                os.kill(each.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        if time.monotonic() > end_s:
            break
        time.sleep(PAUSE_S)
    while any(_is_going(pid, start) for pid, start in ended) and time.monotonic() < end_s:
        time.sleep(PAUSE_S)
    return len(ended)


def _is_going(pid: int, start: int) -> bool:
    """Whether any thread of it is left: its first one is a zombie as soon as that one has ended."""
    if is_alive(pid, start):
        return True
    now = process(pid)
    try:
        return now is not None and now.start == start and len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except OSError:
        return False


def main() -> None:
    """``CAMPAIGN RUNTIME_FOLDER``; the pipe is standard input."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    campaign, runtime = sys.argv[1:]
    sessions: set[int] = set()
    for line in sys.stdin.buffer:
        word, _, pid = line.decode().partition(" ")
        if word == "watch":
            sessions.add(int(pid))
    end_all([f"{CAMPAIGN_VARIABLE}={campaign}"], sessions)
    shutil.rmtree(runtime, ignore_errors=True)
