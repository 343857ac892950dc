"""What is looked at besides runs: what workers' processes use while a scenario runs, and the store's keys at rest.

``Observing`` writes ``sample`` events from a thread of its own. It costs 1 to 2 % of a core with two workers: a look
reads three small files of each process, and searches one worker's tree, the workers' in turn. A process that lives
for less than ``AGE_S_MIN`` (a fork for each job, say) is not sampled, but for the supervisor.
"""

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, Final, Self

from redis import Redis
from redis.exceptions import RedisError
from stormproof_target import KeyPattern

from chaos.environment import Environment
from chaos.errors import HarnessError
from chaos.procfs import process

EVERY_S: Final = 0.25
SPARSE_EVERY_S: Final = 1.0  # a soak of a day would write 6 million lines otherwise
SPARSE_AFTER_S: Final = 120.0
AGE_S_MIN: Final = 1.0
READ_NS_MAX: Final = 20_000_000  # a look that took longer was interrupted: its numbers are not of one moment
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

WITHOUT_TTL: Final = -1  # PTTL's answer; -2 is for a key that is not there
BATCH: Final = 500
STRAYS_MAX: Final = 20
WEIGHED_MAX: Final = 20
NAME_MAX: Final = 200
TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Usage:
    """One process at one moment. ``cpu_ns``: all its threads since its start, those that ended included."""

    pid: int
    pid_start: int
    rss: int
    fds: int
    cpu_ns: int


def usage(pid: int) -> Usage | None:
    """What the process uses; None if it is gone, a zombie, or not ours to look at, or if the look was interrupted."""
    before_ns = time.monotonic_ns()
    now = process(pid)
    if now is None or now.state in "ZX":
        return None
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123  # read by the thousand
            pages = int(file.read().split()[1])
        fds = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  # as above
        cpu_ns = time.clock_gettime_ns(_cpu_clock(pid))
    except (OSError, IndexError, ValueError):
        return None
    if time.monotonic_ns() - before_ns > READ_NS_MAX:
        return None
    return Usage(pid, now.start, pages * PAGE_BYTES, fds, cpu_ns)


def _cpu_clock(pid: int) -> int:
    """Another process's CPU clock, to the nanosecond where /proc counts ticks of 10 ms.

    As ``clock_getcpuclockid(3)`` makes it (``MAKE_PROCESS_CPUCLOCK`` with ``CPUCLOCK_SCHED``, linux/posix-timers.h).
    """
    return (~pid << 3) | 2


class Observing:
    """Writes ``sample`` events while it is entered. ``error`` is what ended the thread (None: nothing)."""

    def __init__(self, env: Environment, every_s: float = EVERY_S) -> None:
        """Every ``every_s`` seconds, and no more often than once a second after two minutes."""
        self.every_s = every_s
        self.error: Exception | None = None
        self._env = env
        self._trees: dict[str, Sequence[int]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observing", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; waits for the look that is under way."""
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise ``HarnessError`` if samples are missing because the thread ended."""
        if self.error is not None:
            raise HarnessError(f"the workers' processes can't be watched any more: {self.error}") from self.error

    def _run(self) -> None:
        begun_s = time.monotonic()
        try:
            for turn in itertools.count():
                names = list(self._env.workers)
                if names:
                    name = names[turn % len(names)]
                    self._trees[name] = self._env.workers[name].tree()
                for name in names:
                    self._look_at(name)
                sparse = time.monotonic() - begun_s > SPARSE_AFTER_S
                if self._stop.wait(max(self.every_s, SPARSE_EVERY_S) if sparse else self.every_s):
                    return
        except Exception as error:  # noqa: BLE001  # told by ``check``, and ends this thread
            self.error = error

    def _look_at(self, worker: str) -> None:
        supervisor = self._env.workers[worker].pid
        for pid in dict.fromkeys((supervisor, *self._trees.get(worker, ()))):
            used = usage(pid) if pid else None
            if used is not None and (pid == supervisor or _age_s(used) >= AGE_S_MIN):
                self._env.tell(
                    "sample",
                    worker=worker,
                    pid=used.pid,
                    pid_start=used.pid_start,
                    rss=used.rss,
                    fds=used.fds,
                    cpu_ns=used.cpu_ns,
                )


def _age_s(used: Usage) -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) - used.pid_start / TICKS_A_SECOND


# ---- keys


@dataclass(slots=True)
class KeyCount:
    """Keys of one pattern, or one that no pattern matches (``pattern`` '').

    ``name`` is one of them; ``ttl_ms_max`` -1: none of them expires. ``bytes`` is ``n`` times the mean of what Redis
    says of the first ``WEIGHED_MAX``: an estimate.
    """

    pattern: str
    name: str
    n: int = 0
    without_ttl: int = 0
    ttl_ms_max: int = -1
    bytes: int = 0


@dataclass(slots=True)
class _Counting:
    patterns: Sequence[KeyPattern]
    found: dict[str, KeyCount] = field(default_factory=dict)
    strays: int = 0

    def add(self, name: str, ttl_ms: int) -> KeyCount:
        pattern = next((each.pattern for each in self.patterns if fnmatchcase(name, each.pattern)), "")
        label = pattern
        if not pattern:
            self.strays += 1
            label = f"\0{min(self.strays, STRAYS_MAX)}"  # the last of them stands for all that follow
        count = self.found.setdefault(label, KeyCount(pattern, name[:NAME_MAX]))
        count.n += 1
        count.without_ttl += ttl_ms < 0
        count.ttl_ms_max = max(count.ttl_ms_max, ttl_ms)
        return count


def count_keys(client: Redis, patterns: Sequence[KeyPattern]) -> Iterator[KeyCount]:
    """All keys of the client's database by pattern; the first twenty that none matches each for itself.

    Raises ``RedisError``. Takes about 10 s for a million keys.
    """
    counting = _Counting(patterns)
    weighed: dict[int, list[int]] = {}
    seen: set[bytes] = set()
    for batch in _batches(client):
        names = [name for name in dict.fromkeys(batch) if name not in seen]  # SCAN may tell one twice
        seen.update(names)
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.pttl(name)
        for name, ttl_ms in zip(names, pipe.execute(), strict=True):
            if ttl_ms < WITHOUT_TTL:  # gone meanwhile
                continue
            count = counting.add(name.decode(errors="backslashreplace"), ttl_ms)
            weights = weighed.setdefault(id(count), [])
            if len(weights) < WEIGHED_MAX:
                weights.append(_weight(client, name))
    for count in counting.found.values():
        weights = weighed[id(count)]
        count.bytes = round(count.n * sum(weights) / len(weights))
        yield count


def _batches(client: Redis) -> Iterator[list[bytes]]:
    cursor: Any = 0
    while True:
        answer: Any = client.scan(cursor, count=BATCH)
        cursor, names = answer
        yield names
        if cursor == 0:
            return


def _weight(client: Redis, name: bytes) -> int:
    answer: Any = client.memory_usage(name)
    return int(answer or 0)


def tell_keys(env: Environment, patterns: Iterable[KeyPattern]) -> None:
    """Write a ``key`` event for each. Whatever lies in the target's database is the target's.

    It was empty before: our own Redis is new, and a Redis of the user's is refused unless it is empty. The canary
    has a database of its own. Raises ``HarnessError``.
    """
    client: Redis = Redis.from_url(env.store.url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    try:
        with contextlib.closing(client):
            for count in count_keys(client, list(patterns)):
                env.tell(
                    "key",
                    pattern=count.pattern,
                    name=count.name,
                    n=count.n,
                    without_ttl=count.without_ttl,
                    ttl_ms_max=count.ttl_ms_max,
                    bytes=count.bytes,
                )
    except RedisError as error:
        raise HarnessError(f"the keys at {env.store.url} can't be read: {error}") from error
