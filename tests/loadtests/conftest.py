"""Real producers: programs that speak the kit's protocol, on sockets in a temporary folder."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import stormproof_target
from stormproof_target import Setup

KIT = Path(stormproof_target.__file__).parent.parent
REPOSITORY = Path(__file__).parents[2]
FILE_QUEUE = Path(__file__).parent / "file_queue.py"
RQ = REPOSITORY / "system" / "targets" / "rq.py"


@dataclass(frozen=True, slots=True)
class Producer:
    """A running producer, what it writes, and where it listens."""

    process: subprocess.Popen[bytes]
    socket: Path
    ledger: Path
    log: Path
    queue: Path

    def end(self) -> None:
        """Kill it, frozen or not."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Stop it in its tracks."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)


StartProducer = Callable[..., Producer]


@pytest.fixture
def start_producer(tmp_path: Path) -> Iterator[StartProducer]:
    """Start ``adapter`` as a producer; the keyword arguments become variables of its environment."""
    started: list[Producer] = []

    def start(adapter: Path = FILE_QUEUE, setup: Setup | None = None, **variables: str) -> Producer:
        name = f"producer-{len(started)}"
        producer_socket, ledger, log, queue = (
            tmp_path / f"{name}.{what}" for what in ("sock", "ledger", "log", "queue")
        )
        environment = {
            "PYTHONPATH": str(KIT),
            "PYTHONSAFEPATH": "1",
            "STORMPROOF_LEDGER": str(ledger),
            "STORMPROOF_ROLE": "producer",
            "STORMPROOF_WORKER": name,
            "STORMPROOF_SETUP": (setup or Setup()).to_json(),
            "FILE_QUEUE": str(queue),
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(adapter), "produce", str(producer_socket)],
                env=os.environ | environment | variables,
                stdout=output,
                stderr=output,
            )
        started.append(Producer(process, producer_socket, ledger, log, queue))
        return started[-1]

    yield start
    for producer in started:
        producer.end()


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """Start a Redis of our own."""
    local = REPOSITORY / ".stormproof" / "bin"
    path = os.pathsep.join([str(local), os.environ["PATH"]])
    server = shutil.which("redis-server", path=path) or shutil.which("valkey-server", path=path)
    if server is None:
        pytest.fail("no redis-server or valkey-server: `make setup` provides one")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen([server, *arguments], stdout=subprocess.DEVNULL)
    try:
        _wait_for_port(port, process)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        assert process.poll() is None, "redis-server ended at once"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail("redis-server does not listen")
