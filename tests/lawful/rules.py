"""The rules of a queue, each broken on purpose, with the checkers that must find it and what the world must hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Broken:
    """``by``: any of these checkers is the right one. ``wanting``: what the world must have ('' : anything)."""

    by: tuple[str, ...]
    wanting: str = "counts"


RULES: Final[Mapping[str, Broken]] = {
    "forgets an enqueue": Broken(("lost",)),
    "acknowledges before it runs": Broken(("lost",), "kill slot"),
    "drops a crashed job": Broken(("lost",), "exit"),
    "drops what it sweeps": Broken(("lost",), "kill tree"),
    "delayed job never due": Broken(("lost",), "delay"),
    "cancels what nobody asked": Broken(("lost",)),
    "runs twice": Broken(("duplicates",)),
    "lease too short": Broken(("duplicates",)),
    "sweeps live leases": Broken(("duplicates", "overlap")),
    "no hold after an outage": Broken(("duplicates", "overlap"), "hold"),
    "never renews": Broken(("duplicates", "overlap"), "renewals"),
    "finished twice": Broken(("duplicates",)),
    "stop repeats what is done": Broken(("duplicates",), "stop"),
    "fences fall": Broken(("overlap",), "fail"),
    "tells each run the first attempt": Broken(("attempts",), "fail"),
    "no fence at the report": Broken(("results", "duplicates", "states"), "zombie"),
    "stops without a word": Broken(("timeouts", "duplicates"), "no stops"),
    "repeats at a lost reply": Broken(("duplicates",), "lose replies"),
    "runs again at most once": Broken(("duplicates",), "once"),
    "one attempt too many": Broken(("attempts",), "fail"),
    "never gives up": Broken(("attempts",), "fail"),
    "retry uncounted": Broken(("attempts",), "fail"),
    "counts one attempt more": Broken(("attempts",)),
    "one attempt too few": Broken(("dead_letters", "attempts"), "fail"),
    "crashes uncounted": Broken(("attempts",), "exit"),
    "stalls uncounted": Broken(("attempts",), "kill_worker"),
    "dead letter dropped": Broken(("dead_letters", "lost"), "fail"),
    "dead letter doubled": Broken(("dead_letters",), "fail"),
    "dead letter with a wrong reason": Broken(("dead_letters",), "fail"),
    "dead letter without a reason": Broken(("dead_letters",), "fail"),
    "fails what is done": Broken(("states",)),
    "failed job finished": Broken(("states", "lost"), "fail"),
    "finished yet waiting": Broken(("states",)),
    "retries at once": Broken(("backoff",), "backoff"),
    "backoff without cap": Broken(("backoff",), "cap"),
    "backoff without jitter": Broken(("backoff",), "jitter"),
    "draws its jitter once": Broken(("backoff",), "jitter"),
    "delayed job early": Broken(("early",), "delay"),
    "grants while paused": Broken(("control",), "pause"),
    "cancelled job runs": Broken(("control", "states"), "cancel"),
    "forgets what it asked to end": Broken(("control",), "cancel"),
    "one lease too many": Broken(("concurrency",), "concurrency"),
    "fixed window": Broken(("rate",), "rate"),
    "forgets its grants": Broken(("rate",), "rate"),
    "timeout unenforced": Broken(("timeouts",), "hang"),
    "times out early": Broken(("timeouts",)),
    "process ends for nothing": Broken(("timeouts",)),
    "does not fence itself": Broken(("overlap",), "self fencing"),
    "result lost": Broken(("results",)),
    "arguments corrupted": Broken(("phantom",)),
    "runs what it refused": Broken(("phantom",), "refusals"),
    "silent in calm": Broken(("unknown",)),
    "tells no idle slot": Broken(("late",), "claim_s"),
    "refuses in calm": Broken(("unknown",), "rejections"),
    "leaks a key": Broken(("residue",)),
    "hot loop": Broken(("leaks",), "idle"),
}
"""By name; a name is what ``Store.broken`` and ``Worker`` look for."""
