"""Job bodies. Each notes what happened in a file, so that a test sees runs and not what the queue says of them."""

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from system.reference import Reject, current_job

KEPT: list[object] = []


def note(path: str, text: str) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(text + "\n")


def add(a: int, b: int) -> int:
    return a + b


def nothing() -> None:
    pass


def tell(path: str) -> str:
    """Notes who it is."""
    job = current_job()
    assert job
    note(path, f"{job.id} {job.attempt} {job.attempts_max} {job.fence} {job.exec} {os.getpid()}")
    return job.id


def nap(path: str, for_s: float) -> str:
    """Notes its start with its process, then its end."""
    job = current_job()
    assert job
    note(path, f"start {job.id} {os.getpid()}")
    time.sleep(for_s)
    note(path, f"end {job.id} {os.getpid()}")
    return "slept"


def hold(path: str) -> None:
    """Ends when it may: once there is a file of that name."""
    note(path, f"start {os.getpid()}")
    while not Path(f"{path}.go").exists():
        time.sleep(0.02)
    note(path, f"end {os.getpid()}")


def nap_once(path: str, for_s: float) -> None:
    """Naps on its first run only."""
    first = not Path(path).exists()
    note(path, f"start {os.getpid()}")
    if first:
        time.sleep(for_s)
    note(path, f"end {os.getpid()}")


def fail(path: str) -> None:
    job = current_job()
    assert job
    note(path, f"{job.attempt} {time.time()}")
    raise ValueError("as asked")


def exit_with(path: str, status: int) -> None:
    note(path, "run")
    os._exit(status)


def leave(path: str) -> None:
    note(path, "run")
    sys.exit(1)


def kill_worker(path: str) -> None:
    """Takes the whole worker with it."""
    note(path, "run")
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def hang_in_c(path: str, for_s: float) -> None:
    """Holds the GIL and lets no signal in: no Python code of this process runs on."""
    note(path, f"run {os.getpid()}")
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    ctypes.PyDLL(None).usleep(int(for_s * 1e6))
    note(path, "ended")


def swallow(path: str, for_s: float) -> None:
    """Deaf to SIGTERM, and catches whatever is raised in it."""
    note(path, f"run {os.getpid()}")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_s = time.monotonic() + for_s
    while time.monotonic() < end_s:
        try:
            time.sleep(0.05)
        except BaseException:  # noqa: BLE001  # that is what it is for
            note(path, "swallowed")


def with_deaf_child(path: str) -> None:
    """Hangs in C while a process of its own runs in a process group of its own."""
    child = subprocess.Popen(["sleep", "60"], process_group=0)
    note(path, f"child {child.pid}")
    hang_in_c(path, 60)


def hang(path: str, how: str) -> None:
    """Leaves files and a process in a session of its own, then outlives its soft timeout in the way asked for."""
    folder = Path(tempfile.mkdtemp())
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("left behind")
    (folder / "deep").chmod(0)
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    note(path, f"{os.getpid()} {child.pid} {folder}")
    if how == "deaf":
        swallow(path, 60)
    elif how == "c":  # the GIL is free, and yet no Python code of this thread runs on
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        ctypes.CDLL(None).usleep(60_000_000)
    else:
        hang_in_c(path, 60)


def linger(path: str, port: int) -> None:
    """Opens a connection and starts a thread that outlives it, then takes too long."""
    connection = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=time.sleep, args=(60,)).start()
    note(path, f"{os.getpid()} {connection.getsockname()[1]}")
    KEPT.append(connection)
    time.sleep(60)


def litter(path: str) -> None:
    """Leaves a file, and stands where it lies."""
    folder = Path(tempfile.mkdtemp())
    os.chdir(folder)
    note(path, f"{folder} {os.environ['TMPDIR']} {tempfile.gettempdir()} {os.getpid()}")


def where(path: str) -> None:
    note(path, f"{Path.cwd()} {os.environ['TMPDIR']} {tempfile.gettempdir()} {os.getpid()}")


def reject(path: str) -> None:
    note(path, "run")
    raise Reject("the account password=hunter2 is closed")


def leak(account: str, password: str, options: dict[str, object]) -> None:
    """Fails in a way that tells what nobody may read."""
    logging.getLogger("job").warning("login with password=%s for %s", password, account)
    message = f"refused: {account} token={options['api_key']}"
    raise PermissionError(message)


def crash_with_daemon(path: str) -> None:
    fork = "import subprocess; print(subprocess.Popen(['sleep', '60'], start_new_session=True, stdout=2).pid)"
    daemon = subprocess.run([sys.executable, "-c", fork], stdout=subprocess.PIPE, text=True, check=True).stdout
    note(path, f"daemon {int(daemon)}")
    child = subprocess.Popen(["sleep", "60"])
    note(path, f"child {child.pid}")
    os._exit(1)


def unpicklable() -> object:
    return lambda: None


async def coroutine() -> str:
    return "awaited"


class Greeter:
    def __init__(self, name: str) -> None:
        self.name = name

    def greet(self) -> str:
        return f"hello {self.name}"


def nap_then_fail(path: str) -> None:
    """Naps on its first attempt, fails on the next."""
    job = current_job()
    assert job
    if job.attempt == 1:
        nap(path, 60)
    raise ValueError("as asked")


def fail_in_first_life(path: str) -> None:
    """Fails until somebody mends the cause: a file beside the notes."""
    job = current_job()
    assert job
    note(path, f"{job.id} {job.exec}")
    if not Path(path).with_suffix(".mended").exists():
        raise ConnectionError(f"{job.id}: the service is down, password=hunter2")


def echo(text: str, *, fails: bool = False, crashes: bool = False) -> dict[str, str]:
    """Gives back what it was called with, also in its error."""
    if crashes:
        os._exit(9)
    if fails:
        raise ValueError(f"it said {text}")
    return {"said": text}


def leave_a_thread_that_stops_all_others() -> None:
    """Ends well; then nothing of Python runs in its process any more."""

    def hold() -> None:
        time.sleep(0.2)
        ctypes.PyDLL(None).sleep(600)  # a call that keeps the interpreter's lock

    threading.Thread(target=hold, daemon=True).start()
