"""A slot as its supervisor sees it: spawned, told to go, read, killed, reaped."""

import contextlib
import os
import signal
import subprocess
import sys
from typing import Final

from . import linux
from .board import Board, Phase, Record
from .wire import Briefing, to_line

LOST: Final = "its lease is lost"
FENCED: Final = "its lease could not be renewed"
TIMED_OUT: Final = "it passed its hard timeout"
ABORTED: Final = "the worker stops"
CANCELLED: Final = "its cancellation was asked for"


class SlotProcess:
    """Spawn it from the main thread: the kernel ends a slot when the *thread* that spawned it ends."""

    def __init__(self, briefing: Briefing) -> None:
        self.incarnation = briefing.incarnation
        self.seat = -1  # which of the plan's seats it has taken; none while it is a spare
        self.cause = ""  # why we killed it; '' while we have not
        self.board, board_fd = Board.create()
        try:
            reader, self._control = os.pipe()
        except BaseException:
            os.close(board_fd)
            self.board.close()
            raise
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "system.reference.slot", str(reader), str(board_fd), str(os.getpid())],
                pass_fds=(reader, board_fd),
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # so that a job's own children can be ended with it
                env=linux.marked(self.incarnation),  # also those that leave the session
            )
        except BaseException:
            os.close(self._control)
            self.board.close()
            raise
        finally:
            os.close(reader)
            os.close(board_fd)
        self.pid = self._process.pid
        self.pidfd = os.pidfd_open(self.pid)
        self._last = Record()
        self._tell(to_line(briefing) + "\n")

    def go(self, seat: int, queues: tuple[str, ...]) -> None:
        """Let it claim from these queues. Before, it is a warm spare: everything imported, waiting."""
        self.seat = seat
        self._tell(f"go {' '.join(queues)}\n")

    @property
    def is_ready(self) -> bool:
        """Whether it has imported all it needs."""
        return self.record().phase is not Phase.STARTING

    def record(self) -> Record:
        """What it is doing; the last that was read whole while it is in the middle of saying so."""
        with contextlib.suppress(ValueError):  # its board is closed: the main thread has reaped it meanwhile
            self._last = self.board.read() or self._last
        return self._last

    def ask_to_stop(self) -> None:
        """No further job; a wait is ended at once."""
        self.board.ask_to_stop()
        linux.signal_process(self.pid, signal.SIGTERM)

    def kill_if_running(self, seq: int, cause: str) -> bool:
        """SIGKILL it and what its job started, if the body of claim ``seq`` still runs.

        It is stopped first: a body that has ended meanwhile is spared, since its outcome counts.
        """
        linux.stop(self.pid)
        record = self.board.read()
        if record is None or record.seq != seq or record.phase is not Phase.RUNNING:
            linux.signal_process(self.pid, signal.SIGCONT)
            return False
        self.kill(cause)
        return True

    def kill(self, cause: str) -> None:
        """SIGKILL it and what its job started, whatever it does."""
        self.cause = self.cause or cause
        linux.kill_tree(self.pid, self.incarnation)

    def reap(self) -> tuple[int, Record | None]:
        """Once its pidfd is readable: its status, and what it was doing (None: about to say so, so no body ran)."""
        linux.kill_leftovers(self.pid, self.incarnation)
        status = self._process.wait()
        record = self.board.read()
        os.close(self.pidfd)
        with contextlib.suppress(OSError):
            os.close(self._control)
        self.board.close()
        return status, record

    def _tell(self, text: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # it is dead, and its pidfd says so
            os.write(self._control, text.encode())
