"""Notices when processes exit: one pidfd each, whoever their parent is.

An orphan goes to the nearest subreaper, so waiting for children would miss it; a pidfd does not. A process of which we
are not the parent tells no exit status. One thread also runs what is due later (a worker's next life), since a program
that asks for a parent-death signal must be spawned by a thread that lives on.
"""

import contextlib
import heapq
import itertools
import os
import select
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chaos.procfs import is_alive

EXITED_MAX: Final = 10_000
TICK_S: Final = 0.02  # how old a last sighting can be


@dataclass(frozen=True, slots=True)
class Watched:
    """A process; ``seen_ns`` is a monotonic time at which it lived, ``child`` it as our own child, if it is."""

    worker: str
    pid: int
    pid_start: int
    seen_ns: int
    child: subprocess.Popen[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """It died within [``lo_ns``, now]. ``status``: exit code, or minus the signal; None where it is not our child.

    ``caught`` is false when it was gone before its pidfd could be opened.
    """

    process: Watched
    lo_ns: int
    status: int | None
    caught: bool


class Watch:
    """``on_exit`` is called once a process, from the watch's thread or, if it was gone already, from ``add``'s."""

    def __init__(self, on_exit: Callable[[Exit], None]) -> None:
        """The thread is started by ``start``."""
        self.on_exit = on_exit
        self.error: Exception | None = None
        self.caught = self.missed = self.rounds = 0
        self._lock = threading.Lock()
        self._known: set[tuple[int, int]] = set()  # those watched, and the last that exited
        self._exited: deque[tuple[int, int]] = deque()
        self._watched: dict[int, tuple[Watched, int]] = {}  # by pidfd; and when it was registered
        self._epoll = select.epoll()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._epoll.register(self._wake_read, select.EPOLLIN)
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._lived_ns = 0  # what no wait has reported by now lived then
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Notice what has exited by now, and stop; idempotent. What lives is no longer watched, nothing more is due."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        for fd in self._dead():
            self._gone(fd, self._lived_ns)
        self._epoll.close()
        for fd in (*self._watched, self._wake_read, self._wake_write):
            os.close(fd)

    def _dead(self) -> list[int]:
        """What has ended, and its pidfd does not say so yet: with hundreds of threads that takes a moment longer."""
        return [fd for fd, (each, _) in self._watched.items() if not is_alive(each.pid, each.pid_start)]

    def add(self, process: Watched) -> None:
        """Watch it, unless it is known."""
        key = (process.pid, process.pid_start)
        with self._lock:
            if key in self._known:
                return
            self._known.add(key)
        fd = _open(process)
        if fd is None:
            self.missed += 1
            self._told(key)
            self.on_exit(Exit(process, process.seen_ns, None, caught=False))
            return
        with self._lock:
            self._watched[fd] = (process, time.monotonic_ns())
        self._epoll.register(fd, select.EPOLLIN)

    def after(self, delay_s: float, call: Callable[[], None]) -> None:
        """Have the watch's thread call it, ``delay_s`` from now."""
        with self._lock:
            heapq.heappush(self._later, (time.monotonic() + delay_s, next(self._numbers), call))
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    def _run(self) -> None:
        try:
            self._lived_ns = time.monotonic_ns()
            while True:
                self.rounds += 1
                stopping = self._stopping.is_set()
                wait_ns = time.monotonic_ns()
                ready = self._epoll.poll(0 if stopping else self._timeout_s())
                for fd, _ in ready:
                    if fd == self._wake_read:
                        os.read(fd, 4096)
                    else:
                        self._gone(fd, self._lived_ns)
                if stopping:
                    return
                self._lived_ns = wait_ns
                self._run_due()
        except Exception as error:  # noqa: BLE001  # told by the environment's check, and ends this thread
            self.error = error

    def _gone(self, fd: int, lived_ns: int) -> None:
        with self._lock:
            process, registered_ns = self._watched.pop(fd)
        self._epoll.unregister(fd)
        os.close(fd)
        # the wait before this one did not report it, so it lived when that wait began
        lo_ns = max(process.seen_ns, lived_ns if registered_ns <= lived_ns else 0)
        status = process.child.wait() if process.child is not None else None
        self.caught += 1
        self._told((process.pid, process.pid_start))
        self.on_exit(Exit(process, lo_ns, status, caught=True))

    def _told(self, key: tuple[int, int]) -> None:
        """Remember it for a while: its ``open`` line may be read after its exit, and it exits once."""
        with self._lock:
            self._exited.append(key)
            if len(self._exited) > EXITED_MAX:
                self._known.discard(self._exited.popleft())

    def _timeout_s(self) -> float:
        with self._lock:
            due_s = self._later[0][0] if self._later else float("inf")
        return max(0.0, min(TICK_S, due_s - time.monotonic()))

    def _run_due(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                if not self._later or self._later[0][0] > time.monotonic():
                    return
                _, _, call = heapq.heappop(self._later)
            call()


def _open(process: Watched) -> int | None:
    """A pidfd of exactly this process; of a zombie too, which is reported as exited at once."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return None
    if process.child is None and not is_alive(process.pid, process.pid_start):
        os.close(fd)  # gone, a zombie, or another process under its number
        return None
    return fd
