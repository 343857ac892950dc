"""What a producer keeps in memory while Redis is away, where it was told to. Nothing of it is acknowledged."""

import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal

from .errors import Rejected, Unknown
from .link import Retrier
from .one_try import DoubtError, NothingDoneError, Storing
from .resp import Argument

RETRY_PAUSE_MAX_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Enqueued:
    """An acknowledged job. ``known``: an earlier enqueue with this id had been stored, and this one changed nothing."""

    job_id: str
    outcome: Literal["applied", "known"]


@dataclass(frozen=True, slots=True)
class Buffered:
    """A job that waits in this process' memory: NOT acknowledged, and gone if the process ends before it is stored."""

    job_id: str
    outcome: Literal["buffered"] = "buffered"
    ending: "Future[Enqueued]" = field(default_factory=Future, repr=False, compare=False)

    def result(self, timeout_s: float | None = None) -> Enqueued:
        """Wait for its acknowledgement. Raises ``Rejected``, ``Unknown``, or ``TimeoutError`` while it still waits."""
        return self.ending.result(timeout_s)


class Attempts:
    """All tries to store one job: one id, one call, one window.

    ``window_moves``: each try has the whole window anew, as a caller who waits for it expects; otherwise it began with
    the first, so that the job is stored within its window or not at all, however late a try comes.
    """

    def __init__(
        self,
        storing: Storing,
        queue: str,
        job_id: str,
        delay_s: float,
        window_s: float,
        fields: list[Argument],
        *,
        window_moves: bool,
    ) -> None:
        self.job_id = job_id
        self.bytes = sum(len(each) for each in fields if isinstance(each, bytes | str))
        self._storing, self._queue, self._fields = storing, queue, fields
        self._delay_s, self._window_s, self._window_moves = delay_s, window_s, window_moves
        self._began_s = time.monotonic()
        self._doubt: DoubtError | None = None

    def once(self) -> Enqueued:
        """Try. Raises ``DoubtError`` or ``NothingDoneError``."""
        passed_s = time.monotonic() - self._began_s
        delay_us = max(0, round((self._delay_s - passed_s) * 1e6))
        window_s, not_after_us = self._window_s, 0
        if not self._window_moves:
            window_s -= passed_s
            not_after_us = 0 if self._doubt is None else self._doubt.not_after_us
            if window_s <= 0:
                raise NothingDoneError("its window has passed", may_pass=False)
        try:
            new = self._storing.store(self._queue, self.job_id, delay_us, window_s, self._fields, not_after_us)
        except DoubtError as doubt:
            self._doubt = doubt if self._doubt is None else self._doubt
            raise
        return Enqueued(self.job_id, "applied" if new else "known")

    def verdict(self, last: Exception) -> Rejected | Unknown:
        """What they prove together, now that there will be no other."""
        if self._doubt is not None:
            return Unknown(f"{self.job_id}: {self._doubt}")
        return Rejected(f"{self.job_id}: {last}")


class Outbox:
    """Thread-safe. Its thread lives while jobs wait, and stores them in the order in which they came."""

    def __init__(self, jobs_max: int, bytes_max: int, rng: Random) -> None:
        self._jobs_max, self._bytes_max, self._rng = jobs_max, bytes_max, rng
        self._waiting: deque[tuple[Attempts, Buffered]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, attempts: Attempts) -> Enqueued | Buffered:
        """Store the job, or keep it until it can be stored. Raises ``Rejected`` or ``Unknown`` if there is no room."""
        if not self._waiting:
            try:
                return attempts.once()
            except DoubtError as error:
                return self._keep(attempts, error)
            except NothingDoneError as error:
                if not error.may_pass:
                    raise attempts.verdict(error) from error
                return self._keep(attempts, error)
        return self._keep(attempts, None)

    def flush(self, timeout_s: float | None = None) -> int:
        """Wait until nothing waits; how many jobs still do."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, timeout_s)
            return len(self._waiting)

    def close(self, timeout_s: float = 0.0) -> int:
        """Wait for so long, then give up what waits: each ends ``Rejected`` or ``Unknown``. How many were given up."""
        self.flush(timeout_s)
        self._closed.set()
        if (thread := self._thread) is not None:
            thread.join()  # a try that is under way has an end, which alone can tell what became of its job
        with self._changed:
            left = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            for attempts, buffered in left:
                _end(buffered, attempts.verdict(NothingDoneError("the buffer was closed", may_pass=False)))
            self._changed.notify_all()
        return len(left)

    def _keep(self, attempts: Attempts, error: Exception | None) -> Buffered:
        buffered = Buffered(attempts.job_id)
        with self._changed:
            full = len(self._waiting) >= self._jobs_max or self._bytes + attempts.bytes > self._bytes_max
            if full or self._closed.is_set():
                what = "closed" if self._closed.is_set() else f"full: {len(self._waiting)} jobs, {self._bytes} bytes"
                raise attempts.verdict(NothingDoneError(f"the buffer is {what}", may_pass=False)) from error
            self._waiting.append((attempts, buffered))
            self._bytes += attempts.bytes
            if self._thread is None or not self._thread.is_alive():  # after a fork there is none
                self._thread = threading.Thread(target=self._deliver, name="stormq-outbox", daemon=True)
                self._thread.start()
        return buffered

    def _deliver(self) -> None:
        retrier = Retrier(RETRY_PAUSE_MAX_S, self._rng)
        while True:
            with self._changed:
                if not self._waiting or self._closed.is_set():
                    self._thread = None  # under the lock: whoever keeps a job now starts another
                    return
                attempts, buffered = self._waiting[0]
            try:
                done = attempts.once()
            except (DoubtError, NothingDoneError) as error:
                if isinstance(error, DoubtError) or error.may_pass:
                    self._closed.wait(retrier.pause_s())
                else:
                    self._end_first(buffered, attempts.verdict(error))
            except Exception as error:  # noqa: BLE001  # a fault of ours must not hold up all that waits behind
                self._end_first(buffered, Unknown(f"{attempts.job_id}: {type(error).__name__}: {error}"))
            else:
                retrier.succeeded()
                self._end_first(buffered, done)

    def _end_first(self, buffered: Buffered, how: Enqueued | Exception) -> None:
        with self._changed:
            attempts, _ = self._waiting.popleft()
            self._bytes -= attempts.bytes
            _end(buffered, how)
            self._changed.notify_all()


def _end(buffered: Buffered, how: Enqueued | Exception) -> None:
    if isinstance(how, Enqueued):
        buffered.ending.set_result(how)
    else:
        buffered.ending.set_exception(how)
