"""A Redis that we did not start: nothing is broken in it without its owner's word."""

from typing import Final
from urllib.parse import urlsplit

from chaos.errors import HarnessError

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
CONSENT_OPTION: Final = "--i-may-break-this-redis"


class ConsentError(HarnessError):
    """Refused: nothing was touched."""


def require_consent(url: str, *, consent: bool) -> None:
    """Raise ``ConsentError`` unless faults may be injected into the Redis at ``url``.

    Only with the user's explicit consent, and even then only on this machine: what is shared is not for breaking.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise ConsentError(f"{url}: redis://HOST:PORT/DB is needed")
    where = f"{parts.hostname}:{parts.port or 6379}"
    if parts.hostname not in LOOPBACK:
        raise ConsentError(
            f"the Redis at {where} is not on this machine, and its connections would be cut and its server killed:"
            " refused, whatever the options. Without a URL the harness starts a Redis of its own"
        )
    if not consent:
        raise ConsentError(
            f"the Redis at {where} was not started by the harness, and its connections would be cut and its data"
            f" written to: say {CONSENT_OPTION} if it is yours to break. Without a URL the harness starts its own"
        )
