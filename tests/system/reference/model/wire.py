"""How a call of the model reads on the wire, and how the real reply reads in the model."""

from collections.abc import Callable, Mapping
from typing import Any

from system.reference.resp import Argument
from tests.system.reference.calls import BY, ISO, flat
from tests.system.reference.model import jobs, leases, operators, recovery

TRANSITIONS: dict[str, Callable[..., list[Any]]] = {
    "enqueue": jobs.enqueue,
    "promote": jobs.promote,
    "clean": jobs.clean,
    "claim": leases.claim,
    "heartbeat": leases.heartbeat,
    "complete": leases.complete,
    "fail": leases.fail,
    "release": leases.release,
    "abort": leases.abort,
    "slot_dead": recovery.slot_dead,
    "sweep": recovery.sweep,
    "cancel": operators.cancel,
    "pause": operators.pause,
    "resume": operators.resume,
    "requeue": operators.requeue,
    "discard": operators.discard,
    "register": operators.register,
}
AUDIT_KEEP_S = 10**9  # an audit line has the real clock's time, far from the virtual one
ATTEMPTS_AT, STALLS_AT = 9, 13  # of a granted job's fields, after the six words before them
STATUS_AT = 7

# What stands after a transition's own arguments, in the order of its ARGV.
TAIL: dict[str, tuple[Argument, ...]] = {
    "enqueue": (ISO, "data", "call"),
    "clean": (AUDIT_KEEP_S,),
    "sweep": (ISO,),
    "slot_dead": (ISO, "w", "trace", ""),
    "cancel": (ISO, *BY),
    "requeue": (ISO, *BY),
    **dict.fromkeys(("pause", "resume", "discard"), BY),
}


def argv(transition: str, said: Mapping[str, Any]) -> tuple[Argument, ...]:
    """The ARGV of a transition; ``said`` has the model's arguments in the script's order."""
    if transition == "claim":
        return (said["slot"], said["seq"], said["lease_us"], "w", said["version"], ISO, *said["queues"])
    if transition == "heartbeat":
        return (said["lease_us"], *(part for triple in said["held"] for part in triple))
    if transition == "complete":
        return (said["queue"], said["job"], said["exec_"], said["ttl_s"], ISO, "w", "", "")
    if transition == "register":
        plain = [said[name] for name in ("queue", "version", "digest", "place", "replaces")]
        return (*plain, *BY, *flat(said["limits"]))
    if transition == "fail":
        *first, error_type = said.values()
        return (*first, ISO, "w", "trace", error_type, "")
    return (*said.values(), *TAIL.get(transition, ()))


def plain(reply: list[Any]) -> list[Any]:
    """A reply of either side with its numbers as text, since Redis gives some as text."""
    return [plain(each) if isinstance(each, list) else str(each) for each in reply]


def seen(transition: str, reply: list[Any]) -> list[Any]:
    """The part of a real reply that the model has too."""
    if transition == "claim" and reply[0] in ("claimed", "replayed"):
        counts = [int(each or 0) for each in reply[ATTEMPTS_AT:STALLS_AT]]
        return plain([*reply[:5], reply[STATUS_AT], *counts])
    return plain(reply)
