"""A worker as small as one can be: a process a job, and a connection to Redis that is in constant use.

``SLEEP_MS`` is a job's length; ``REDIS_PORT`` where its link listens (none: no connection); ``STRAY``: also start a
grandchild in a session of its own, with an empty environment. ``CLOBBER``: overwrite the environment that the process
was started with, as programs do that set their title.
"""

import ctypes
import itertools
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

from stormproof_target.body import payload_for, run_body
from stormproof_target.spec import succeeds


def talk(port: int) -> None:
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as connection:
                while True:
                    connection.sendall(b"PING\r\n")
                    if not connection.recv(64):
                        break
                    time.sleep(0.01)
        except OSError:
            pass
        time.sleep(0.02)


def clobber() -> None:
    stat = Path("/proc/self/stat").read_bytes().rsplit(b")", 1)[1].split()
    start, end = int(stat[47]), int(stat[48])
    ctypes.memset(start, 0, end - start)


def main() -> None:
    if "STRAY" in os.environ:
        subprocess.Popen(["/bin/sleep", "600"], env={}, start_new_session=True)
    if "REDIS_PORT" in os.environ:
        threading.Thread(target=talk, args=(int(os.environ["REDIS_PORT"]),), daemon=True).start()
    if "CLOBBER" in os.environ:
        clobber()
    spec = succeeds(sleep_ms=int(os.environ.get("SLEEP_MS", "15")))
    for number in itertools.count():
        pid = os.fork()
        if not pid:
            run_body(payload_for(f"{os.environ['STORMPROOF_WORKER']}-{number}", spec), attempt=1)
            os._exit(0)
        os.waitpid(pid, 0)


main()
