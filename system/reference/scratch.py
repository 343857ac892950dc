"""Temporary directories: each run has its own, which is gone after it, also if the run, or the worker, was killed.

A worker's folder is locked as long as it lives; a folder that nobody locks is a dead worker's. Whoever starts next on
this machine removes it, and ends the processes that the dead worker's jobs had started.
"""

import contextlib
import fcntl
import logging
import os
import re
import shutil
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from . import linux

PREFIX: Final = "stormq-worker-"
UNFINISHED: Final = ".stormq-new-"
_OURS: Final = re.compile(rf"{PREFIX}([0-9a-f]{{10}})")
_PRIVATE: Final = stat.S_IFDIR | 0o700
log: Final = logging.getLogger("stormq.scratch")


class Scratch:
    """The supervisor's side. Removing may take long, so threads of its own do it.

    ``token``: 10 hexadecimal digits with which the incarnations of all its slots begin.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._root: Path | None = None
        self._lock = -1
        self._removals: list[threading.Thread] = []

    def open(self) -> None:
        """Make the worker's folder, and remove those of dead workers."""
        try:
            self._open()
        except OSError as error:  # bodies that need no such directory can run all the same
            log.warning("no folder for temporary directories, so runs have none of their own: %s", error)

    def folder(self, incarnation: str) -> str:
        """A slot's folder; '' if there can be none."""
        if self._root is None:
            return ""
        path = self._root / incarnation
        try:
            path.mkdir(mode=0o700, parents=True)
        except OSError as error:
            log.warning("no folder for the temporary directories of slot %s: %s", incarnation, error)
            return ""
        return str(path)

    def discard(self, incarnation: str) -> None:
        """A slot has ended: what its runs have left goes."""
        if self._root is not None:
            self._remove(self._root / incarnation)

    def close(self, within_s: float) -> None:
        """The worker ends. What can't be removed in time is left to the next one."""
        if self._root is None:
            return
        self._remove(self._root)
        for thread in self._removals:
            thread.join(within_s)
        os.close(self._lock)

    def _open(self) -> None:
        import tempfile  # 10 ms that a slot need not pay

        home = Path(tempfile.gettempdir())
        made = home / f"{UNFINISHED}{self._token}"
        made.mkdir(mode=0o700)
        self._lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._root = made.rename(home / f"{PREFIX}{self._token}")  # locked by the time others look at it
        stale = threading.Thread(target=_remove_stale, args=(home,), daemon=True)
        stale.start()

    def _remove(self, path: Path) -> None:
        thread = threading.Thread(target=remove_tree, args=(str(path),), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no room for a thread: it goes with the worker's folder
            return
        self._removals = [*(each for each in self._removals if each.is_alive()), thread]


def _remove_stale(home: Path) -> None:
    for path in home.glob(f"{PREFIX}*"):
        ours = _OURS.fullmatch(path.name)
        if not ours:
            continue
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(fd).st_uid == os.geteuid():
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    linux.kill_orphans(f"{ours[1]}-")
                    remove_tree(str(path))
            finally:
                os.close(fd)


def remove_tree(path: str) -> None:
    """Remove a folder; one that can't be entered is made so first. What resists all that stays."""
    shutil.rmtree(path, ignore_errors=True)
    if not Path(path).exists():
        return
    for folder, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            Path(folder).chmod(0o700)
            for each in os.scandir(folder):
                if each.is_dir(follow_symlinks=False):
                    Path(each.path).chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)


class Runs:
    """The slot's side: the directory of one run at a time, below the slot's folder ('': none).

    One that its run left empty serves the next run, too: making and removing it costs more than all else that a slot
    does for a short job.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = ""  # made, and empty
        self._before = os.environ.get("TMPDIR")
        self._home: int | None = None
        with contextlib.suppress(OSError):  # started in a place that is closed to us, as by `sudo -u`: then we stay
            self._home = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def own_directory(self, number: int) -> Iterator[None]:
        """What the body and its children take for the temporary directory; what they leave in it is removed."""
        path = self._fresh(number) if self._folder else ""
        if not path:
            yield
            return
        os.environ["TMPDIR"] = path
        _tell_tempfile(path)
        try:
            yield
        finally:
            if self._home is not None:
                os.fchdir(self._home)  # the body may stand in what goes now
            if self._before is None:
                os.environ.pop("TMPDIR", None)
            else:
                os.environ["TMPDIR"] = self._before
            _tell_tempfile(None)
            if not _is_empty(path):
                self._path = ""
                remove_tree(path)

    def _fresh(self, number: int) -> str:
        with contextlib.suppress(OSError):  # a cleaner of the system's took it away
            if self._path and os.stat(self._path).st_mode == _PRIVATE:  # noqa: PTH116  # a hot path
                return self._path
        self._path = f"{self._folder}/{number}"
        try:
            os.makedirs(self._path, 0o700)  # noqa: PTH103  # its parents, too, get this mode
        except OSError as error:
            log.warning("no temporary directory for this run: %s", error)
            self._path = ""
        return self._path


def _is_empty(path: str) -> bool:
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def _tell_tempfile(path: str | None) -> None:
    """It remembers the directory that it found first; where it is not imported yet, TMPDIR tells it."""
    module = sys.modules.get("tempfile")
    if module is not None:
        module.tempdir = path  # type: ignore[attr-defined]
