"""A Redis that has forgotten the scripts (SCRIPT FLUSH) is asked for them by their hashes for ever.

As Sidekiq Pro until it was restarted, sidekiq/sidekiq#2240. `lost` must find it, as stranded.
"""

from collections.abc import Sequence

import hiredis

from system.reference.link import Link, LinkDown
from system.reference.resp import Command, Reply, ReplyError
from tests.planted.variant import Variant, replaces, task

__all__ = ["ScriptsForgotten", "task"]


@replaces(Link)
def exchange(self: Link, commands: Sequence[Command], *, wait_s: float = 0.0) -> list[Reply]:
    """Loads them when it connects, and never again."""
    connection = self._connection
    try:
        if not connection.is_open:
            connection.open(self._scripts.load_commands())
        return connection.exchange(commands, wait_s)
    except (ReplyError, hiredis.HiredisError, OSError) as error:
        self.close()
        raise LinkDown(f"{type(error).__name__}: {error}") from error
    except BaseException:
        self.close()
        raise


class ScriptsForgotten(Variant):
    """Has no answer to NOSCRIPT."""

    name = "scripts-forgotten"


if __name__ == "__main__":
    ScriptsForgotten.main()
