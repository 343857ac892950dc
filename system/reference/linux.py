"""What only Linux offers: parent-death signals, timers that kill, and the ends of process trees."""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1
SIGEV_SIGNAL: Final = 0
STOP_WAIT_S: Final = 0.1
MARK: Final = "STORMQ_SLOT"
ROUNDS_MAX: Final = 10

Stat = tuple[str, int, int, int]  # state, parent, process group, session


def require_linux() -> None:
    """Raise ``OSError`` where parent-death signals, pidfds and ``/proc`` can't be had."""
    if not sys.platform.startswith("linux") or not hasattr(os, "pidfd_open"):
        raise OSError("a stormq worker needs Linux 5.3 or later (parent-death signals, pidfds, /proc)")


def boottime_ns() -> int:
    """Nanoseconds of the clock that counts on while the machine sleeps: leases do so, too."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def die_with_parent(parent: int) -> None:
    """Have the kernel SIGKILL this process when the thread that spawned it ends; leave if it is gone already."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(1)


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class _SignalEvent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("pad", ctypes.c_byte * 48),
    )


class KillTimer:
    """A POSIX timer that SIGKILLs its own process: no handler runs, so no held GIL and no caught exception stops it."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        event = _SignalEvent(None, signal.SIGKILL, SIGEV_SIGNAL)
        made = self._libc.timer_create(time.CLOCK_BOOTTIME, ctypes.byref(event), ctypes.byref(self._timer))
        if made != 0:
            raise OSError(ctypes.get_errno(), "timer_create")

    def arm(self, after_s: float) -> None:
        """Kill this process ``after_s`` seconds from now; 0 disarms."""
        seconds = int(after_s)
        spec = _TimerSpec(_TimeSpec(0, 0), _TimeSpec(seconds, int((after_s - seconds) * 1e9)))
        if self._libc.timer_settime(self._timer, 0, ctypes.byref(spec), None) != 0:
            raise OSError(ctypes.get_errno(), "timer_settime")


def _stat(pid: int) -> Stat | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), int(fields[2]), int(fields[3])


def _processes() -> dict[int, Stat]:
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (stat := _stat(int(folder.name))):
            found[int(folder.name)] = stat
    return found


def stop(pid: int) -> None:
    """SIGSTOP a process and wait, briefly, until it has stopped: what it has written is then all it will write."""
    signal_process(pid, signal.SIGSTOP)
    end_s = time.monotonic() + STOP_WAIT_S
    while (stat := _stat(pid)) and stat[0] not in "TtZX" and time.monotonic() < end_s:
        time.sleep(0.0005)


def signal_process(pid: int, number: signal.Signals) -> None:
    """Signal a child that is not reaped yet (so its pid can't be somebody else's)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or it has become somebody else's (setuid)
        os.kill(pid, number)


def kill_tree(pid: int, mark: str) -> None:
    """SIGKILL a child of ours that leads its own session, and all that descends from it, wherever that has gone.

    ``mark`` stands in the environment that the child was started with (see ``marked``): it finds processes that left
    the session and lost their parents.
    """
    _kill_all(lambda processes: {pid} | _descendants(pid, processes) | _members(pid, processes) | _marked(f"{mark}\0"))


def kill_leftovers(pid: int, mark: str) -> None:
    """SIGKILL what a child that has died left behind."""
    _kill_all(lambda processes: (_members(pid, processes) | _marked(f"{mark}\0")) - {pid})


def kill_orphans(prefix: str) -> None:
    """SIGKILL what children whose marks begin so have left behind; the caller knows that they are dead."""
    _kill_all(lambda _: _marked(prefix) - {os.getpid(), os.getppid()})


def marked(mark: str) -> dict[str, str]:
    """The environment for a child whose descendants are to be found by ``mark``."""
    return {**os.environ, MARK: mark}


def _kill_all(family: Callable[[dict[int, Stat]], set[int]]) -> None:
    killed: set[int] = set()
    for _ in range(ROUNDS_MAX):  # what forked while we looked is found by the next look
        processes = _processes()
        alive = {pid for pid in family(processes) if pid in processes and processes[pid][0] not in "ZX"}
        if alive <= killed:
            return
        for pid in alive:
            signal_process(pid, signal.SIGKILL)
        killed |= alive


def _descendants(pid: int, processes: dict[int, Stat]) -> set[int]:
    family = {pid}
    grown = True
    while grown:
        more = {each for each, (_, parent, _, _) in processes.items() if parent in family} - family
        family |= more
        grown = bool(more)
    return family


def _members(leader: int, processes: dict[int, Stat]) -> set[int]:
    return {pid for pid, (_, _, group, session) in processes.items() if leader in (group, session)}


def _marked(pattern: str) -> set[int]:
    wanted = f"\0{MARK}={pattern}".encode()
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # gone, or somebody else's
                if wanted in b"\0" + (folder / "environ").read_bytes():
                    found.add(int(folder.name))
    return found
