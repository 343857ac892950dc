"""Redis has no memory left: it answers, and refuses whatever would need more."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar, Final
from weakref import WeakKeyDictionary

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.errors import HarnessError
from chaos.faults import Effect, Evidence, Injection
from chaos.faults.direct import direct, errors_so_far
from chaos.planned import Plannable

FULL: Final[Mapping[str, str]] = {"maxmemory-policy": "noeviction", "maxmemory": "1"}
"""One byte: below what any server uses, so that it is full from the first to the last moment whatever is deleted."""


@dataclass(slots=True)
class _Full:
    """The settings as they were before anybody filled it, and who still wants it full.

    The memory comes first of the settings: under a policy that evicts, a full server would forget everything.
    """

    before: Mapping[str, str]
    wanted_by: set[int] = field(default_factory=set)


_full: WeakKeyDictionary[Environment, _Full] = WeakKeyDictionary()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class OutOfMemory(Plannable):
    """``maxmemory`` is below what is used for ``for_s`` seconds, and nothing is evicted.

    Commands that may need memory get the error OOM, and so do scripts at their first such command; reads and deletions
    go on. A worker whose renewal is a write can't renew.
    """

    for_s: float

    name: ClassVar[str] = "out of memory"
    effect: ClassVar[Effect] = "refused"
    needs: ClassVar[frozenset[str]] = frozenset()
    explains: ClassVar[frozenset[Cause]] = frozenset({Cause.LEASE_ENDED})

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        return () if self.for_s > 0 else (f"for_s={self.for_s:g}: more than 0 seconds are needed",)

    def targets(self, env: Environment) -> Sequence[str]:
        """Everybody."""
        return tuple(env.links)

    def inject(self, env: Environment, rng: Random) -> Injection:  # noqa: ARG002  # there is one server
        """Fill it up. If that fails half-way, the settings are as they were."""
        at_ns = time.monotonic_ns()
        refused = errors_so_far(env, "OOM")
        try:
            _fill(env, at_ns)
        except HarnessError:
            _empty(env, at_ns)
            raise
        return Injection(at_ns, refused)

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:
        """Commands that were refused for it."""
        if not isinstance(before := injection.state, int):
            return ()
        refused = errors_so_far(env, "OOM") - before
        return (Evidence("store", f"{refused} commands were answered with OOM"),) if refused > 0 else ()

    def heal(self, env: Environment, injection: Injection) -> None:
        """Give it its memory back, unless another fault still has it full."""
        _empty(env, injection.at_ns)


def _fill(env: Environment, by: int) -> None:
    with _lock:
        if env not in _full:
            with direct(env) as client:
                _full[env] = _Full({name: str(client.config_get(name)[name]) for name in reversed(list(FULL))})
        _full[env].wanted_by.add(by)
        _configure(env, FULL)


def _empty(env: Environment, by: int) -> None:
    """A server that was killed meanwhile comes back with the settings of its start."""
    with _lock:
        if (full := _full.get(env)) is None:
            return
        full.wanted_by.discard(by)
        if not full.wanted_by:
            if env.store.alive:
                _configure(env, full.before)
            del _full[env]


def _configure(env: Environment, settings: Mapping[str, str]) -> None:
    with direct(env) as client:
        for name, value in settings.items():
            client.config_set(name, value)
