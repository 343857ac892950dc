"""Picks a worker that is certainly running a job, without a race.

SIGSTOP first, then read the ledger: what a stopped process has open it will still have open when the next signal comes.
Between two jobs there is nothing to hit, so it lets go and looks again.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from chaos.environment import Environment, OpenRun, Worker
from chaos.procfs import process

SEARCH_S_MAX: Final = 3.0
FAVOURITE_S: Final = 0.5  # how long the worker that the seed chose is waited for, before any will do
STOP_S_MAX: Final = 0.5
PAUSE_S: Final = 0.001


@dataclass(slots=True)
class Victim:
    """A worker whose whole tree is stopped, with the runs that it has open. ``let_go`` is idempotent."""

    worker: Worker
    pids: Sequence[int]
    runs: Sequence[OpenRun]
    lives: int
    at_ns: int  # monotonic, before the first stop
    _held: bool = field(default=True)

    def let_go(self) -> None:
        """Continue what is left of it."""
        if self._held:
            self._held = False
            try:
                self.worker.signal(self.pids, "CONT")
            finally:
                self.worker.held.release()


def catch(env: Environment, rng: Random, open_s: tuple[float, float] = (0.0, math.inf)) -> Victim | None:
    """Stop a worker that has a run open; None if there was none for ``SEARCH_S_MAX`` seconds.

    ``open_s``: for how long at least and at most that run has been open.
    """
    names = sorted(env.workers)
    if not names:
        return None
    favourite = rng.choice(names)
    began_s = time.monotonic()
    while (waited_s := time.monotonic() - began_s) < SEARCH_S_MAX:
        free = [name for name in names if not env.workers[name].held.locked()]
        runs, now_ns = env.view.open_runs(), time.monotonic_ns()
        busy = {run.worker for run in runs if open_s[0] <= (now_ns - run.started_ns) / 1e9 <= open_s[1]}.intersection(
            free
        )
        choice = favourite if favourite in busy else rng.choice(sorted(busy)) if busy else None
        if choice is not None and (choice == favourite or waited_s > FAVOURITE_S):
            victim = _stop(env, env.workers[choice])
            if victim is not None:
                return victim
        time.sleep(PAUSE_S)
    return None


def _stop(env: Environment, worker: Worker) -> Victim | None:
    if not worker.held.acquire(blocking=False):
        return None
    # those that run a job come first: the rest of the tree takes milliseconds to list
    stopped = [run.pid for run in env.view.open_runs(worker.name)]
    victim = Victim(worker, stopped, (), worker.lives, time.monotonic_ns())
    try:
        worker.signal(stopped, "STOP")
        while fresh := [pid for pid in worker.tree() if pid not in stopped]:  # it may have forked meanwhile
            stopped += fresh
            worker.signal(fresh, "STOP")
        _wait_until_stopped(stopped)
        victim.runs = [run for run in env.view.open_runs(worker.name) if is_stopped(run.pid)]
    except BaseException:
        victim.let_go()
        raise
    if not victim.runs:
        victim.let_go()
        return None
    return victim


def is_stopped(pid: int) -> bool:
    """Whether the process exists and is stopped."""
    now = process(pid)
    return now is not None and now.state == "T"


def _wait_until_stopped(pids: Sequence[int]) -> None:
    end_s = time.monotonic() + STOP_S_MAX
    while time.monotonic() < end_s:
        states = [now.state for pid in pids if (now := process(pid)) is not None]
        if all(state in "TZX" for state in states):
            return
        time.sleep(PAUSE_S)
