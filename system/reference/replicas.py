"""What a worker asks of a primary that has replicas, before it starts (rule 10)."""

from typing import Final

from .address import Endpoint
from .dial import UnsafePrimaryError
from .errors import SettingsError
from .resp import Connection, ReplyError
from .settings import Settings

LAG: Final = "min-replicas-max-lag"


def check_replicas(endpoint: Endpoint, settings: Settings) -> None:
    """A primary that was left behind must stop taking writes before a lease that it still renews has ended elsewhere.

    Raises ``SettingsError``. A server that can't be reached raises nothing here: it is asked at each connecting whether
    it stops taking writes at all, and nothing is claimed from one that does not.
    """
    if not endpoint.replicated:
        return
    connection = Connection(endpoint, "stormq:check", endpoint.command_timeout_s)
    try:
        (reply,) = connection.open([("CONFIG", "GET", LAG)])
    except UnsafePrimaryError as error:
        raise SettingsError([f"redis: {error}"]) from error
    except (OSError, ReplyError):
        return
    finally:
        connection.close()
    lag_s = endpoint.replica_lag_s if isinstance(reply, ReplyError) else float(reply[1])
    if not lag_s:
        raise SettingsError(
            [f"redis.replica_lag_s is not given; needed: the servers' {LAG}, since this user may not ask them for it"]
        )
    if lag_s >= settings.fence_after_s:
        said = f"{LAG} of {endpoint} is {lag_s:g} s; allowed: under lease_s - margin_s ({settings.fence_after_s:.3g} s)"
        raise SettingsError([f"{said}, so that a primary that was left behind does not renew leases for long"])
