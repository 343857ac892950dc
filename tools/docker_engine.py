"""Runs a command with a Docker engine: the machine's own, else a private one for as long as the command runs.

``python -m tools.docker_engine COMMAND...``; the exit code is the command's. A private engine needs root and `dockerd`;
it has no network of its own to pull from, so its one image is made of the Redis server that is on this machine, and
``STORMPROOF_REDIS_IMAGE`` names it. Where neither can be had the command runs all the same, and its tests say that
they were skipped.
"""

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

IMAGE: Final = "stormproof-redis:local"
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 30.0
_OUR_SERVERS: Final = Path(__file__).resolve().parents[1] / ".stormproof" / "bin"
_BRIDGE: Final = "docker0"


class EngineError(Exception):
    """Why there is no engine."""


def main(command: list[str]) -> int:
    """Runs the command; its exit code."""
    if not command:
        sys.stderr.write("usage: python -m tools.docker_engine COMMAND...\n")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the engine is stopped on that way out, too
    if _answers(dict(os.environ)):
        return _run(command, dict(os.environ))
    try:
        with private_engine() as env:
            return _run(command, env)
    except EngineError as error:
        sys.stderr.write(f"no Docker engine: {error}\n")
        return _run(command, dict(os.environ))
    except KeyboardInterrupt:
        return 130


@contextmanager
def private_engine() -> Iterator[dict[str, str]]:
    """An engine that listens on a socket in a folder of its own; the environment to reach it. ``EngineError``: none."""
    dockerd = shutil.which("dockerd")
    if dockerd is None or os.geteuid() != 0:
        raise EngineError("none answers, and a private one needs root and `dockerd` (Debian: docker.io) on PATH")
    had_bridge = _has_bridge()
    folder = Path(tempfile.mkdtemp(prefix="stormproof-docker-"))  # short: a socket's path is at most 107 bytes
    env = {
        **os.environ,
        "DOCKER_HOST": f"unix://{folder}/docker.sock",
        "STORMPROOF_REDIS_IMAGE": IMAGE,
        # Nothing can be pulled, so no reaper; containers are reached by ports of loopback.
        "TESTCONTAINERS_RYUK_DISABLED": "true",
        "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
        "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1",
        "TC_POOLING_INTERVAL": "0.05",
    }
    with (folder / "dockerd.log").open("wb") as log:
        engine = subprocess.Popen(
            [dockerd, *_options(folder)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_until_it_answers(engine, env, folder / "dockerd.log")
        _make_image(env)
        yield env
    finally:
        engine.terminate()
        try:
            engine.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(engine.pid, signal.SIGKILL)
            engine.wait()
        if not had_bridge and _has_bridge():
            subprocess.run(["ip", "link", "del", _BRIDGE], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _options(folder: Path) -> list[str]:
    """Of an engine that touches neither the machine's firewall nor its other engines."""
    return [
        f"--data-root={folder}/data",
        f"--exec-root={folder}/exec",
        f"--pidfile={folder}/docker.pid",
        f"--host=unix://{folder}/docker.sock",
        "--storage-driver=overlay2",
        "--exec-opt=native.cgroupdriver=cgroupfs",
        "--iptables=false",
        "--ip-forward=false",
        "--ip-masq=false",
        "--ip=127.0.0.1",
    ]


def _wait_until_it_answers(engine: subprocess.Popen[bytes], env: dict[str, str], log: Path) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while not _answers(env):
        if engine.poll() is not None or time.monotonic() > until:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise EngineError(f"dockerd does not come up: {''.join(last)}")
        time.sleep(0.2)


def _make_image(env: dict[str, str]) -> None:
    """The server of this machine and the libraries that it is linked with, and nothing else."""
    server = shutil.which("redis-server") or shutil.which("valkey-server", path=str(_OUR_SERVERS))
    if server is None:
        raise EngineError("no redis-server on PATH or in .stormproof/bin to make an image of")
    linked = subprocess.run(["ldd", server], capture_output=True, text=True, check=False).stdout
    files = {"usr/bin/redis-server": server} | {path.lstrip("/"): path for path in re.findall(r"(/\S+) \(0x", linked)}
    root = io.BytesIO()
    with tarfile.open(fileobj=root, mode="w", dereference=True) as tar:
        for name, path in files.items():
            tar.add(path, arcname=name)
    changes = ["--change=ENV PATH=/usr/bin", '--change=CMD ["redis-server","--protected-mode","no"]']
    done = subprocess.run(
        ["docker", "import", *changes, "-", IMAGE], input=root.getvalue(), capture_output=True, env=env, check=False
    )
    if done.returncode != 0:
        raise EngineError(f"no image could be made: {done.stderr.decode(errors='replace').strip()}")


def _answers(env: dict[str, str]) -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "version"], capture_output=True, env=env, check=False).returncode == 0


def _has_bridge() -> bool:
    return Path("/sys/class/net", _BRIDGE).exists()


def _run(command: list[str], env: dict[str, str]) -> int:
    try:
        return subprocess.run(command, env=env, check=False).returncode
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error}\n")
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
