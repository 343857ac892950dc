"""One invocation of the harness as the operating system sees it: marked processes, and a guardian that ends them."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from stormproof_target.ledger import pid_start

from chaos.errors import HarnessError
from chaos.guardian import PROGRAM, SWEEP_S_MAX, end_all
from chaos.ports import Ports
from chaos.procfs import CAMPAIGN_VARIABLE, ENVIRONMENT_VARIABLE, HARNESS_VARIABLE, is_alive, processes, variables

ROOT: Final = Path(__file__).resolve().parent.parent
MARKS: Final = frozenset({CAMPAIGN_VARIABLE, ENVIRONMENT_VARIABLE, HARNESS_VARIABLE})
RUNTIME_PREFIX: Final = "stormproof-"
SESSIONS: Final = "sessions"  # in the runtime folder: what the guardian knows, for when it is killed as well
LOG_TAIL_LINES: Final = 8


class Campaign:
    """Spawns everything that a campaign runs; leaving it, on whatever way, ends all of it.

    ``runtime`` is a private folder with a short path, for Unix sockets. ``ports`` hands out ports.
    """

    def __init__(self, id: str, ports: Ports | None = None) -> None:  # noqa: A002  # DESIGN's word
        """Nothing is started before it is entered."""
        self.id = id
        self.ports = ports if ports is not None else Ports()

    def __enter__(self) -> Self:
        """Start the guardian."""
        if not sys.platform.startswith("linux"):
            raise HarnessError(
                f"{sys.platform} is not supported: faults and clean-up need Linux (pidfd, /proc). Use a Linux machine,"
                " a container or a virtual machine"
            )
        self._harness = f"{os.getpid()}-{pid_start()}"
        self.runtime = Path(tempfile.mkdtemp(prefix=f"{RUNTIME_PREFIX}{self._harness}-"))
        (self.runtime / SESSIONS).write_text(f"{_boot()}\n")
        reading_end, self._pipe = os.pipe2(os.O_CLOEXEC)
        unmarked = {key: value for key, value in os.environ.items() if key not in MARKS}
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", PROGRAM, str(ROOT), self.id, str(self.runtime)],
            stdin=reading_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=unmarked,
            cwd="/",
            start_new_session=True,
        )
        os.close(reading_end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the guardian do its work, and wait until it has."""
        os.close(self._pipe)
        try:
            self._guardian.wait(SWEEP_S_MAX + 5)
        except subprocess.TimeoutExpired:
            raise HarnessError(
                f"processes of campaign {self.id} do not end; `stormproof doctor --reap` tries again"
            ) from None
        finally:
            self.ports.close()

    def spawn(self, argv: Sequence[str], *, log: Path, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own; what it prints is appended to ``log``.

        A program that asks for a parent-death signal gets it when the *thread* that called this ends: call it from
        one that lives as long as the program should. Raises ``HarnessError`` when it can't be started.
        """
        marked = {CAMPAIGN_VARIABLE: self.id, HARNESS_VARIABLE: self._harness}
        try:
            with log.open("ab") as output:
                child = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=os.environ | variables | marked,
                    start_new_session=True,
                )
        except OSError as error:
            raise HarnessError(f"`{' '.join(map(str, argv))}` can't be started: {error}") from error
        self._watch(child.pid)
        return child

    def _watch(self, pid: int) -> None:
        with (self.runtime / SESSIONS).open("a") as file:
            file.write(f"{pid}\n")
        try:
            os.write(self._pipe, b"watch %d\n" % pid)
        except BrokenPipeError:
            raise HarnessError(
                "the guardian, which ends our processes should this one be killed, is gone. Run again; if something"
                " on this machine ends unknown processes, let it spare `chaos.guardian`"
            ) from None


def log_tail(log: Path) -> str:
    """The last lines of a log, indented, for an error message."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError as error:
        lines = [str(error)]
    return "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:]) or "    (it said nothing)"


def reap() -> list[str]:
    """End what campaigns left behind whose harness is gone, and remove their folders; says what was ended.

    Only a killed harness *and* a killed guardian leave something. A campaign whose harness lives is not touched.
    """
    folders = {folder: _harness_of(folder) for folder in Path(tempfile.gettempdir()).glob(f"{RUNTIME_PREFIX}*-*-*")}
    orphaned: dict[str, set[int]] = {}
    for folder, harness in folders.items():
        if _is_mine(folder) and not _lives(harness):
            orphaned[harness] = _sessions(folder)
    for pid in processes():
        harness = variables(pid).get(HARNESS_VARIABLE, "")
        if harness and not _lives(harness):
            orphaned.setdefault(harness, set())
    said = []
    for harness, sessions in orphaned.items():
        count = end_all([f"{HARNESS_VARIABLE}={harness}"], sessions)
        said.append(f"harness {harness.partition('-')[0]} is gone: {count} of its processes ended")
    for folder, harness in folders.items():
        if harness in orphaned:
            shutil.rmtree(folder, ignore_errors=True)
    return said


def _harness_of(folder: Path) -> str:
    return folder.name.removeprefix(RUNTIME_PREFIX).rpartition("-")[0]


def _sessions(folder: Path) -> set[int]:
    """Of this boot only: a pid of an earlier one is somebody else's by now."""
    try:
        boot, *lines = (folder / SESSIONS).read_text().splitlines()
        return {int(line) for line in lines} if boot == _boot() else set()
    except (OSError, ValueError):
        return set()


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _is_mine(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.getuid()
    except FileNotFoundError:
        return False


def _lives(harness: str) -> bool:
    """``PID-START``."""
    match = re.fullmatch(r"(\d+)-(\d+)", harness)
    return match is not None and is_alive(int(match[1]), int(match[2]))
