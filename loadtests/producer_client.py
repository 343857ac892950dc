"""The harness's side of a producer's socket: requests go out at once and are answered in any order.

    enqueue() ──► outbox ──► writer thread ──► socket ──► producer
    Future    ◄── pending[id] ◄── reader thread ◄────────┘

Sending never waits for the producer: one that is frozen, or hangs in an outage, delays no arrival. Whatever
can't be answered any more (the producer died, answered nonsense, was closed) fails its future with
``ProducerError``: nobody knows what became of it.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from stormproof_target import Counts, JobState

from loadtests.answers import Answer, NonsenseError, answer_of, counts_of, grants_of, states_of

CONNECT_S: Final = 10.0
ANSWER_S: Final = 10.0
RETRY_S: Final = 0.02
LINE_BYTES_MAX: Final = 16 * 1024 * 1024
PENDING_MAX: Final = 100_000
JOBS_A_REQUEST: Final = 1000
REQUESTS_A_WRITE: Final = 256
LOG_LINES: Final = 12

R = TypeVar("R")


class ProducerError(Exception):
    """A producer can't be reached, died, or breaks the protocol; the message ends with its log's tail."""


class NotSentError(ProducerError):
    """The request never left this process: it changed nothing."""


class ProducerClient:
    """One connection to one producer. Thread-safe; a context manager that closes it."""

    def __init__(
        self,
        path: Path,
        *,
        wait_s: float = CONNECT_S,
        log: Path | None = None,
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        """Connect, waiting up to ``wait_s`` seconds for the producer to listen and to answer a ping.

        ``log`` is the file that holds what the producer says on stderr; ``alive`` tells whether it is worth
        waiting. Raises ``ProducerError``.
        """
        self.path, self._log = path, log
        self._lock = threading.Lock()
        self._pending: dict[int, tuple[Future[Any], Callable[[dict[str, Any]], object]]] = {}
        self._last = 0
        self._why_closed: str | None = None
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        until_s = time.monotonic() + wait_s
        self._socket = self._connect(until_s, wait_s, alive)
        self._threads = [
            threading.Thread(target=run, name=f"{path.name} {run.__name__}", daemon=True)
            for run in (self._write, self._read)
        ]
        for thread in self._threads:
            thread.start()
        try:
            self.ping(max(until_s - time.monotonic(), 1.0))
        except ProducerError:
            self.close()
            raise

    def _connect(self, until_s: float, wait_s: float, alive: Callable[[], bool]) -> socket.socket:
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self.path))
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError) as error:
                connection.close()
                if not alive():
                    raise self._error("it ended before it listened") from None
                if time.monotonic() > until_s:
                    raise self._error(f"it does not listen after {wait_s:g} s: {error}") from None
                time.sleep(RETRY_S)
            except OSError as error:
                connection.close()
                raise self._error(str(error)) from None
            else:
                return connection

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._why_closed is not None

    @property
    def pending(self) -> int:
        """Requests without an answer yet."""
        return len(self._pending)

    def enqueue(self, job: str, queue: str, spec_json: str, intended_ns: int, delay_ns: int = 0) -> Future[Answer]:
        """Ask the producer to enqueue; returns at once.

        The future fails with ``ProducerError`` if nobody can know how it ended, with ``NotSentError`` if it
        never left.
        """
        fields = (
            f'"op":"enqueue","job":{json.dumps(job)},"queue":{json.dumps(queue)},"spec":{spec_json},'
            f'"intended_ns":{intended_ns},"delay_ns":{delay_ns}'
        )
        return self._request(fields, answer_of)

    def counts(self) -> dict[str, Counts]:
        """Jobs a queue by state. Raises ``ProducerError`` on errors and after ``ANSWER_S`` seconds."""
        return self._result("counts", self._request('"op":"counts"', counts_of))

    def grants(self) -> dict[str, list[int]]:
        """Times of the last grants a queue, in µs of the server's time. Raises ``ProducerError`` as ``counts`` does."""
        return self._result("grants", self._request('"op":"grants"', grants_of))

    def states(self, jobs: Mapping[str, str]) -> Iterator[JobState]:
        """Read the state of each job (to its receipt, '' if none), in requests of ``JOBS_A_REQUEST`` jobs.

        Raises ``ProducerError`` on errors and where one request takes longer than ``ANSWER_S`` seconds.
        """
        items = iter(jobs.items())
        while chunk := dict(islice(items, JOBS_A_REQUEST)):
            yield from self._result("states", self._request(f'"op":"states","jobs":{json.dumps(chunk)}', states_of))

    def operate(self, op: str, on: str) -> str:
        """Have an operator's step done: ``pause`` or ``resume`` a queue, ``roll_back`` to a release, ``cancel`` a job.

        What came of it, where the step has more than one outcome, else ''. Raises ``ProducerError``.
        """
        answer = self._result(op, self._request(f'"op":{json.dumps(op)},"on":{json.dumps(on)}', dict))
        return str(answer.get("outcome", ""))

    def ping(self, timeout_s: float = ANSWER_S) -> None:
        """Return when the producer answers. Raises ``ProducerError`` after ``timeout_s`` seconds."""
        self._result("ping", self._request('"op":"ping"', dict), timeout_s)

    def close(self) -> None:
        """End the connection; what is pending fails. Returns when the threads have ended."""
        self._fail("the harness closed the connection")
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _request(self, fields: str, read: Callable[[dict[str, Any]], R]) -> Future[R]:
        future: Future[R] = Future()
        with self._lock:
            refused = self._why_closed
            if refused is None and len(self._pending) >= PENDING_MAX:
                refused = f"{PENDING_MAX} requests wait for an answer: no more are sent"
            if refused is None:
                self._last += 1
                self._pending[self._last] = future, read
                self._outbox.put(f'{{"id":{self._last},{fields}}}\n'.encode())
        if refused is not None:
            future.set_exception(NotSentError(str(self._error(refused))))
        return future

    def _result(self, op: str, future: Future[R], timeout_s: float = ANSWER_S) -> R:
        try:
            return future.result(timeout_s)
        except FutureTimeoutError:
            raise self._error(f"it has not answered {op} within {timeout_s:g} s") from None

    def _write(self) -> None:
        while (data := self._outbox.get()) is not None:
            more = [data, *self._waiting()]
            try:
                self._socket.sendall(b"".join(each for each in more if each is not None))
            except OSError as error:
                self._fail(f"it can't be written to: {error}")
            if more[-1] is None:
                return

    def _waiting(self) -> Iterator[bytes | None]:
        """Take what else waits, up to the sentinel that ends the writer: many small requests in one write."""
        for _ in range(REQUESTS_A_WRITE):
            try:
                data = self._outbox.get_nowait()
            except Empty:
                return
            yield data
            if data is None:
                return

    def _read(self) -> None:
        with self._socket, self._socket.makefile("rb") as lines:
            try:
                while line := lines.readline(LINE_BYTES_MAX):
                    self._take(line)
            except NonsenseError as error:
                self._fail(str(error))
            except OSError as error:
                self._fail(f"it can't be read from: {error}")
            else:
                self._fail("it has ended the connection")

    def _take(self, line: bytes) -> None:
        now_ns = time.monotonic_ns()
        try:
            answer = json.loads(line)
            with self._lock:
                future, read = self._pending.pop(answer["id"])
        except (ValueError, KeyError, TypeError):
            raise NonsenseError(line) from None
        if "error" in answer:
            future.set_exception(self._error(f"it answered: {answer['error']}"))
            return
        try:
            result = read(answer | {"answered_ns": now_ns})
        except (ValueError, KeyError, TypeError, AttributeError):
            nonsense = NonsenseError(line)
            future.set_exception(self._error(str(nonsense)))
            raise nonsense from None
        future.set_result(result)

    def _fail(self, why: str) -> None:
        with self._lock:
            if self._why_closed is not None:
                return
            self._why_closed = why
            orphans = list(self._pending.values())
            self._pending.clear()
            self._outbox.put(None)
        with suppress(OSError):  # it may be gone already
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes both threads; the reader closes
        error = self._error(why)
        for future, _ in orphans:
            future.set_exception(error)

    def _error(self, why: str) -> ProducerError:
        return ProducerError(f"producer {self.path.name}: {why}{_log_tail(self._log)}")


def _log_tail(log: Path | None) -> str:
    if log is None:
        return ""
    try:
        last = log.read_text(errors="replace").strip().splitlines()[-LOG_LINES:]
    except OSError as error:
        return f"; its log can't be read: {error}"
    return "; its log ends:\n" + "\n".join(f"  {line}" for line in last) if last else "; its log is empty"
