"""A worker program as the harness sees it: spawned, signalled, and spawned again 1 s after it exited."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from stormproof_target.ledger import INTACT_SUFFIX, LEDGER_VARIABLE, ROLE_VARIABLE, WORKER_VARIABLE

from chaos.campaign import Campaign
from chaos.errors import HarnessError
from chaos.procfs import ENVIRONMENT_VARIABLE, belonging, process
from chaos.watch import Watch, Watched

RESTART_AFTER_S: Final = 1.0

Tell = Callable[..., int]


class Program:
    """What is spawned again and again under one name. ``variables`` are the target's; ours are added here."""

    def __init__(  # noqa: PLR0913  # everything that its children's environment and the ledger need
        self,
        name: str,
        role: str,
        argv: Sequence[str],
        variables: Mapping[str, str],
        *,
        campaign: Campaign,
        environment: str,
        directory: Path,
        watch: Watch,
        tell: Tell,
    ) -> None:
        """``environment`` is the environment's mark; ``directory`` has ``ledger/`` and ``logs/``."""
        self.name, self.role, self.argv, self.variables = name, role, argv, dict(variables)
        self.campaign, self.directory, self.watch, self.tell = campaign, directory, watch, tell
        self.mark = environment
        self.held = threading.Lock()
        self.lives = 0
        self._child: subprocess.Popen[bytes] | None = None
        self.sessions: set[int] = set()  # of all its lives: the pids of its first processes
        self._stopping = False
        self._spawn_lock = threading.Lock()

    @property
    def pid(self) -> int:
        """Of its present or last life; 0 before the first."""
        return self._child.pid if self._child is not None else 0

    @property
    def log(self) -> Path:
        """What all its lives printed."""
        return self.directory / "logs" / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        """Whether its first process runs, or is stopped."""
        now = process(self.pid) if self._child is not None else None
        return now is not None and now.state not in "ZX"

    def spawn(self) -> None:
        """Begin a life with a ledger file of its own. Raises ``HarnessError``."""
        with self._spawn_lock:
            if self._stopping:
                return
            ledger = self.directory / "ledger" / f"{self.name}-{self.lives + 1}.jsonl"
            make_intact(ledger)
            seen_ns = time.monotonic_ns()  # before it was born: an interval that is too wide accuses nobody
            child = self.campaign.spawn(
                self.argv,
                log=self.log,
                variables=self.variables
                | {
                    LEDGER_VARIABLE: str(ledger),
                    ROLE_VARIABLE: self.role,
                    WORKER_VARIABLE: self.name,
                    ENVIRONMENT_VARIABLE: self.mark,
                },
            )
            found = process(child.pid)
            start = found.start if found is not None else 0
            self._child = child
            self.sessions.add(child.pid)
            self.lives += 1
        self.tell("spawned", worker=self.name, pid=child.pid, pid_start=start, life=self.lives)
        self.watch.add(Watched(self.name, child.pid, start, seen_ns, child))

    def respawn_later(self) -> None:
        """Begin the next life ``RESTART_AFTER_S`` from now, in the watch's thread."""
        if not self._stopping:
            self.watch.after(RESTART_AFTER_S, self.spawn)

    def stop(self) -> None:
        """No further lives."""
        with self._spawn_lock:
            self._stopping = True

    def tree(self) -> Sequence[int]:
        """Pids of the program and everything below it, its first process first, orphans of former lives included."""
        marks = (f"{ENVIRONMENT_VARIABLE}={self.mark}", f"{WORKER_VARIABLE}={self.name}")
        mine = [each.pid for each in belonging(marks, self.sessions)]
        return sorted(mine, key=lambda pid: (pid != self.pid, pid))

    def signal(self, pids: Sequence[int], name: str) -> None:
        """Send SIG``name`` to each, told in the ledger before the call; one that has exited is no error."""
        number = signal.Signals[f"SIG{name}"]
        for pid in pids:
            self.tell("signal", worker=self.name, pid=pid, name=name)
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def make_intact(ledger: Path) -> None:
    """Make the file that says that no line of ``ledger`` was refused; a writer that fails removes it."""
    try:
        Path(f"{ledger}{INTACT_SUFFIX}").touch()
    except OSError as error:
        raise HarnessError(f"no ledger can be kept in {ledger.parent}: {error}") from error
