"""The seven reasons for which a lawful at-least-once queue may run a job again. A fault says which it explains."""

from enum import IntEnum


class Cause(IntEnum):
    """Why may run b follow run a? Anything else is unexplained."""

    FAILED = 1  # a ended in error or timeout, and attempts were left
    KILLED = 2  # a's process was killed between the grant and the report of its end
    LEASE_ENDED = 3  # a's worker could not renew for long enough
    STORE_LOSS = 4  # the store lost writes, as its canary shows
    LOST_REPLY = 5  # a reply was lost, and the target says that it repeats then
    REQUEUED = 6  # an operator asked for it
    STOPPED = 7  # a's worker was told to stop, and the target says that this is a cause
