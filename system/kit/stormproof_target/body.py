"""The job body: does what its spec says, and writes the ledger before and after.

An adapter's task calls ``run_body`` and does nothing else, so every queue is measured by the same code.
"""

import ctypes
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from .ledger import LEDGER_VARIABLE, checksum, from_environment
from .spec import JobSpec

TIMEOUT_NAMES: Final = ("timeout", "timelimit", "timedout")


class JobFailed(Exception):  # noqa: N818  # it is what the queue shows to a reader, and it says what happened
    """The failure that a spec asked for."""


def payload_for(job: str, spec: JobSpec) -> str:
    """What travels through the queue as the task's one argument: the harness's job id and the spec, and padding."""
    pad = f',"pad":"{padding(job, spec.args_kb)}"' if spec.args_kb else ""
    return f'{{"job":"{job}","spec":{spec.to_json()}{pad}}}'


def padding(word: str, size_kb: int) -> str:
    """``size_kb`` KiB of numbered lines that begin with ``word``: a piece that is missing, or another's, shows."""
    lines: list[str] = []
    size = 0
    while size < size_kb * 1024:
        lines.append(f"{word}.{len(lines)};")
        size += len(lines[-1])
    return "".join(lines)[: size_kb * 1024]


def run_body(payload: str, *, attempt: int = 0, fence: int = 0) -> str:
    """Run the job that ``payload`` (made by ``payload_for``) describes; the result begins with this run's id.

    ``attempt`` starts at 1 and is what the queue says (0: it does not say); ``fence`` is its fencing token (0: none).
    Raises ``JobFailed`` where the spec says so, and lets the queue's own timeout exception through.
    """
    ledger = from_environment()
    told = json.loads(payload)
    job, spec = told["job"], JobSpec(**told["spec"])
    run = ledger.new_run()
    ledger.started(job, run, attempt, fence, checksum(payload))
    try:
        _perform(spec, attempt)
    except JobFailed:
        ledger.ended(job, run, "error", "")
        raise
    except BaseException as error:
        ledger.ended(job, run, _outcome_of(error), "")
        raise
    result = run + padding(run, spec.result_kb)
    ledger.ended(job, run, "ok", checksum(result))
    return result


def _outcome_of(error: BaseException) -> str:
    names = [kind.__name__.lower() for kind in type(error).__mro__]
    if any(word in name for word in TIMEOUT_NAMES for name in names):
        return "timeout"
    return "cancelled" if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit) else "error"


def _perform(spec: JobSpec, attempt: int) -> None:
    if spec.sleep_ms:
        time.sleep(spec.sleep_ms / 1000)
    if spec.fails_on(attempt):
        raise JobFailed(f"attempt {attempt} fails, as its spec says")
    if not spec.trouble_on(attempt):
        return
    if spec.kind == "hang":
        time.sleep(spec.hang_s)
    elif spec.kind in {"hang_c", "hold_gil"}:
        _hang_in_c(spec.hang_s)
    elif spec.kind == "ignore_sigterm":
        _sit_out(spec.hang_s)
    elif spec.kind == "exit":
        os._exit(spec.status)
    elif spec.kind == "segfault":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
    elif spec.kind == "kill_worker":
        _kill_worker()


def _hang_in_c(for_s: float) -> None:
    """As C code that does not return: the GIL is held (``PyDLL``), and no signal cuts the sleep short."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        ctypes.PyDLL(None).usleep(int(for_s * 1e6))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _kill_worker() -> None:
    """As a kernel that is out of memory does, at its worst: no process of the worker gets a chance to say anything."""
    for pid in _forebears():
        os.kill(pid, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _forebears() -> list[int]:
    """Those processes above this one that write into the same ledger file: the worker's own, never who spawned it."""
    mark = f"{LEDGER_VARIABLE}={os.environ[LEDGER_VARIABLE]}".encode()
    found: list[int] = []
    pid = os.getppid()
    with suppress(OSError):  # of another user, hence not ours
        while mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            found.append(pid)
            pid = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    return found


def _sit_out(for_s: float) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_s = time.monotonic() + for_s
    while (left_s := end_s - time.monotonic()) > 0:
        with suppress(BaseException):  # swallowing what would end it is this job's purpose
            time.sleep(left_s)
