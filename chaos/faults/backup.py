"""The store's data are copied while it runs; nothing breaks. ``restore_backup`` brings the copy back."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.faults import Effect, Evidence, Injection
from chaos.planned import Plannable


@dataclass(frozen=True, slots=True)
class Backup(Plannable):
    """A copy of what Redis has on the disk, in place of an earlier one."""

    name: ClassVar[str] = "backup"
    effect: ClassVar[Effect] = "backup"
    for_s: ClassVar[float] = 0.0
    needs: ClassVar[frozenset[str]] = frozenset()
    explains: ClassVar[frozenset[Cause]] = frozenset()

    def problems(self) -> Sequence[str]:
        """Nothing can be wrong with it."""
        return ()

    def targets(self, env: Environment) -> Sequence[str]:  # noqa: ARG002  # it hits no client
        """Nobody."""
        return ()

    def inject(self, env: Environment, rng: Random) -> Injection:  # noqa: ARG002  # there is one server
        """Copy."""
        return Injection(time.monotonic_ns(), env.store.back_up())

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:  # noqa: ARG002
        """How much was copied."""
        return (Evidence("store", f"{injection.state} bytes copied"),) if injection.state else ()

    def heal(self, env: Environment, injection: Injection) -> None:
        """Nothing is broken; the copy is kept for the restore."""
