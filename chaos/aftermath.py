"""Whether what faults have broken is whole again: a heal that did not heal would be blamed on the queue.

links open, without a toxic        processes go on (none is stopped)        the store answers
"""

import time
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from chaos.environment import OwnStore
from chaos.errors import HarnessError
from chaos.probe import ping_s
from chaos.processes import Program
from chaos.procfs import process
from chaos.proxy.toxiproxy import ProxyLink

STOPPED: Final = "T"
TRIES: Final = 5
PAUSE_S: Final = 0.2  # a process that was told to go on is still called stopped for a moment


class Ground(Protocol):
    """What it looks at of an environment."""

    links: dict[str, ProxyLink]
    workers: dict[str, Program]
    producer: Program | None
    store: OwnStore


def check_healed(env: Ground) -> None:
    """After the last heal. Raises ``HarnessError`` that names everything that is still broken."""
    for left in reversed(range(TRIES)):
        broken = [*_links(env.links), *_stopped(env), *_store(env.store)]
        if not broken:
            return
        if left:
            time.sleep(PAUSE_S)
    raise HarnessError(f"a fault was not healed, whatever its heal said: {'; '.join(broken)}")


def _links(links: Mapping[str, ProxyLink]) -> Iterator[str]:
    for name, link in links.items():
        try:
            link.expect(enabled=True, toxics={})
        except HarnessError as error:
            yield f"the link of {name}: {error}"


def _stopped(env: Ground) -> Iterator[str]:
    for program in (*env.workers.values(), *([env.producer] if env.producer is not None else [])):
        for pid in program.tree():
            now = process(pid)
            if now is not None and now.state == STOPPED:
                yield f"process {pid} of {program.name} is stopped"


def _store(store: OwnStore) -> Iterator[str]:
    if ping_s("127.0.0.1", store.port, 1.0) is None:
        yield f"{store.name} does not answer"
