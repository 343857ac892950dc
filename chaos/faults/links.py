"""What the faults of the network share: acting on several links as one, and seeing whose connections were lost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chaos.environment import Environment, Link
from chaos.errors import HarnessError
from chaos.faults import Evidence


@dataclass(frozen=True, slots=True)
class Struck:
    """Links that were acted on under the name ``by``, and the connections that each client had before."""

    by: str
    before: Mapping[str, frozenset[int]]


def open_connections(env: Environment, clients: Sequence[str]) -> dict[str, frozenset[int]]:
    """By client."""
    return {client: env.links[client].connections() for client in clients}


def on_each(links: Sequence[Link], act: Callable[[Link], None], undo: Callable[[Link], None] | None = None) -> None:
    """Act on all. If one fails, the others are still acted on (or, with ``undo``, all taken back); then it raises."""
    failures: list[HarnessError] = []
    for link in links:
        try:
            act(link)
        except HarnessError as error:
            failures.append(error)
    if failures and undo is not None:
        on_each(links, undo)
    if failures:
        raise failures[0]


def lost_connections(env: Environment, before: Mapping[str, frozenset[int]]) -> tuple[Evidence, ...]:
    """One piece of evidence for each client that has lost connections since, and whose link answers no PING now.

    Queues close connections of their own accord as well (one a job, where jobs are forked): that alone tells nothing.
    """
    found = []
    for client, had in before.items():
        lost = had - env.links[client].connections()
        if lost and env.links[client].probe() is None:
            found.append(Evidence(client, f"{client}: {len(lost)} of {len(had)} open connections lost"))
    return tuple(found)
