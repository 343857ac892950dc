"""Redis is killed, and comes back on an older copy of its data: it has forgotten what happened since."""

from dataclasses import dataclass
from typing import ClassVar

from chaos.environment import Environment
from chaos.faults import Injection
from chaos.faults.redis_restart import RedisRestart


@dataclass(frozen=True, slots=True)
class RestoreBackup(RedisRestart):
    """As ``redis_restart``, on the copy that ``backup`` made earlier in the schedule."""

    name: ClassVar[str] = "restore backup"

    def heal(self, env: Environment, injection: Injection) -> None:
        """Put the copy in the place of the data (once: it may run again already), and start it."""
        if not env.store.alive:
            env.store.restore()
        RedisRestart.heal(self, env, injection)
