"""The store's keys when a scenario is over, by the patterns that the target says are its own."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError
from stormproof_target import KeyPattern

from chaos.environment import Environment
from chaos.errors import HarnessError

WITHOUT_TTL: Final = -1  # PTTL's answer; -2 is for a key that is not there
BATCH: Final = 500
STRAYS_MAX: Final = 20
WEIGHED_MAX: Final = 20
NAME_MAX: Final = 200
TIMEOUT_S: Final = 5.0


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
