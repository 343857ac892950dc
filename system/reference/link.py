"""A worker's talk with Redis: several commands a round trip, explicit timeouts, nothing sent again unasked."""

from collections.abc import Sequence
from random import Random
from typing import Final

import hiredis

from .endpoint import parse
from .resp import Command, Connection, Reply, ReplyError
from .scripts import Scripts

BACKOFF_FIRST_S: Final = 0.02
DEMOTED: Final = ("READONLY", "MASTERDOWN", "NOREPLICAS")


class LinkDown(Exception):  # noqa: N818  # a state, not a fault of the caller
    """No answer: the connection broke, timed out, or could not be made. Nobody knows what the commands did."""


class Link:
    """Not for several threads. Raises ``LinkDown`` for everything that is the network's or the server's absence."""

    def __init__(self, url: str, name: str, scripts: Scripts, timeout_s: float) -> None:
        """``name`` is what CLIENT LIST shows; ``timeout_s`` bounds connecting and each reply."""
        self._connection = Connection(parse(url), name, timeout_s)
        self._scripts = scripts

    def exchange(self, commands: Sequence[Command], *, wait_s: float = 0.0) -> list[Reply]:
        """Send all at once and read all replies; ``wait_s``: how long one may block in the server.

        A script that the server does not know is loaded and its command sent again: it had not been executed.
        """
        try:
            if not self._connection.is_open:
                _lawful(self._connection.open(self._scripts.load_commands()))
            replies = self._connection.exchange(commands, wait_s)
            unknown = [
                i for i, reply in enumerate(replies) if isinstance(reply, ReplyError) and reply.code == "NOSCRIPT"
            ]
            if unknown:
                _lawful(self._connection.exchange(self._scripts.load_commands(), 0.0))
                again = self._connection.exchange([commands[i] for i in unknown], wait_s)
                for i, reply in zip(unknown, again, strict=True):
                    replies[i] = reply
            if any(isinstance(reply, ReplyError) and reply.code in DEMOTED for reply in replies):
                self.close()  # the next connection may lead to the server that took over
        except (ReplyError, hiredis.HiredisError, OSError) as error:
            self.close()
            raise LinkDown(f"{type(error).__name__}: {error}") from error
        except BaseException:
            self.close()  # a signal's exception in the middle of a reply: what follows could not be matched
            raise
        return replies

    def close(self) -> None:
        """Close the connection; the next exchange makes a new one."""
        self._connection.close()


def _lawful(replies: list[Reply]) -> None:
    for reply in replies:
        if isinstance(reply, ReplyError):
            raise reply


class Retrier:
    """Jittered pauses between tries, growing from 20 ms to ``most_s``; starts afresh after a success.

    ``failures``: since the last success, so that only the first of them need be logged.
    """

    def __init__(self, most_s: float, rng: Random) -> None:
        self._most_s, self._rng, self._next_s = most_s, rng, BACKOFF_FIRST_S
        self.failures = 0

    def pause_s(self) -> float:
        """How long to wait before the next try."""
        self.failures += 1
        pause_s = self._next_s * self._rng.uniform(0.5, 1.0)
        self._next_s = min(self._most_s, self._next_s * 2)
        return pause_s

    def succeeded(self) -> None:
        """The last try went well."""
        self._next_s = BACKOFF_FIRST_S
        self.failures = 0
