"""Ends: a process is gone when the last of its threads is, which may be later than its first one."""

import subprocess
import sys
import time

from chaos.guardian import _is_going, end_all
from chaos.procfs import is_alive, process

from .conftest import wait_for

FIRST_THREAD_GONE = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_whose_first_thread_has_ended_is_still_going() -> None:
    with subprocess.Popen([sys.executable, "-c", FIRST_THREAD_GONE]) as child:
        try:
            wait_for(lambda: (now := process(child.pid)) is not None and now.state == "Z")
            now = process(child.pid)
            assert now is not None
            assert not is_alive(child.pid, now.start)
            assert _is_going(child.pid, now.start)
            assert not _is_going(child.pid, now.start + 1)  # another process of its number
        finally:
            child.kill()
        wait_for(lambda: not _is_going(child.pid, now.start))


def test_who_is_ended_is_gone_when_that_is_said() -> None:
    mark = f"STORMPROOF_TEST=guardian-{time.monotonic_ns()}"
    name, _, value = mark.partition("=")
    with subprocess.Popen(["/bin/sleep", "600"], env={name: value}) as child:
        started = process(child.pid)
        assert started is not None
        wait_for(lambda: end_all([mark]) == 1)
        assert not _is_going(child.pid, started.start)
