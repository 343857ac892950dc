"""What a target promises. Each clause has its source; one without can't yield a finding."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal

Delivery = Literal["at_least_once", "at_most_once"]
Per = Literal["", "job"]
LIMITS: Final = frozenset({"max_crashes", "max_stalls", "concurrency", "rate_n"})
"""Clauses that may be None: no limit."""


@dataclass(frozen=True, slots=True)
class Source:
    """The sentence that makes a clause a promise, and where it stands."""

    sentence: str
    where: str


@dataclass(frozen=True, slots=True)
class KeyPattern:
    """Keys that the queue owns, by a pattern of the shell's kind (``*`` any text, ``?`` one character, ``[ab]``).

    A key belongs to the first pattern that it matches. ``ttl_s_max``: the longest time to live that one of them may
    have, in seconds (None: any). ``per`` '': with a ``ttl_s_max`` all of them expire, without one any number need not;
    ``job``: at most one of them without a time to live for each job that is not over (waiting, delayed, running, dead).
    """

    pattern: str
    ttl_s_max: float | None = None
    per: Per = ""


@dataclass(frozen=True, slots=True)
class Promise:
    """The clauses that checkers hold a target to; durations in seconds, ``inf`` where nothing is promised.

    lease_s: how long a job stays one worker's without a renewal. heartbeat_s: time between renewals. margin_s: how
    much earlier than the lease's end a self-fencing worker stops. start_gap_s: at most from grant to the body's first
    line. report_s: at most from the body's end until the queue has heard of it. reconnect_s: at most from a link's
    heal until the worker works again. sweep_s: at most from a lease's end until it is noticed. promote_s: at most from
    the due time of a delayed job, or of a retry, until it waits for a slot (inf: as for a lease's end). claim_s: at
    most from when a job waits until an idle slot that serves its queue takes it or another (inf: any). hold_s: how
    long no lease ends after an outage of the store that lasted as long as one, unless sweeps were late three times
    running before (0: not promised). prefetch: jobs a slot
    may hold. slots: bodies a worker runs at once. recovery_s: at most until a killed worker's job is back.
    stop_grace_s: how long runs may at least go on after their worker was told to stop (0: it may break them off).
    max_crashes, max_stalls: how often a job's slot may die or its lease end before it is a dead letter (None: any).
    growth_mib: memory in MiB that a worker's process may gain in the later half of its runs, fifty at least, beyond
    what a job takes (inf: any). concurrency: leases that a queue gives at once, over all workers. rate_n: grants of a
    queue in any rate_window_s of the server's time (None, both: no limit).
    """

    delivery: Delivery = "at_least_once"
    lease_s: float = float("inf")
    heartbeat_s: float = 0.0
    margin_s: float = 0.0
    start_gap_s: float = 1.0
    report_s: float = 1.0
    reconnect_s: float = 1.0
    sweep_s: float = 1.0
    promote_s: float = float("inf")
    claim_s: float = float("inf")
    hold_s: float = 0.0
    prefetch: int = 1
    slots: int = 1
    recovery_s: float = float("inf")
    stop_grace_s: float = 0.0
    growth_mib: float = float("inf")
    fenced: bool = False
    self_fencing: bool = False
    lost_reply_repeats: bool = False
    stop_is_a_cause: bool = True
    kill_costs_an_attempt: bool = False
    max_crashes: int | None = None
    max_stalls: int | None = None
    concurrency: int | None = None
    rate_n: int | None = None
    rate_window_s: float = float("inf")
    keys: tuple[KeyPattern, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)

    @property
    def moves_s(self) -> float:
        """How long a job may at most be on its way from one key to another, and so be seen in none."""
        return max(self.start_gap_s, self.report_s, self.sweep_s)

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON; ``inf`` becomes null."""
        data = asdict(self)
        return {key: None if value == float("inf") else value for key, value in data.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Promise":
        """The inverse of ``to_dict``. Raises ``ValueError`` naming every unknown clause and every ill-typed one."""
        known = {each.name: each for each in fields(cls)}
        wrong = [f"{key}: no such clause" for key in data if key not in known]
        values: dict[str, Any] = {}
        for key, value in data.items():
            if key in known:
                try:
                    values[key] = _READ.get(key, _plain)(key, value)
                except (TypeError, ValueError, KeyError) as error:
                    wrong.append(f"{key}: {error}")
        if wrong:
            raise ValueError("promise: " + "; ".join(wrong))
        return cls(**values)


def _plain(key: str, value: object) -> object:
    if value is None:
        return None if key in LIMITS else float("inf")
    wanted: tuple[type, ...] = (int, float) if key.endswith(("_s", "_mib")) else (bool, int, str)
    if not isinstance(value, wanted):
        raise TypeError(f"{value!r} is not a number, a word or a truth value as this clause needs")
    if isinstance(value, int | float) and value < 0:
        raise ValueError(f"{value!r} is negative")
    return value


def _delivery(_key: str, value: object) -> object:
    if value not in {"at_least_once", "at_most_once"}:
        raise ValueError(f"{value!r} is neither at_least_once nor at_most_once")
    return value


def _keys(_key: str, value: Any) -> object:  # noqa: ANN401  # JSON from outside
    for given in value:
        pattern, ttl_s, per = given["pattern"], given.get("ttl_s_max"), given.get("per", "")
        if not isinstance(pattern, str) or not pattern:
            raise ValueError(f"pattern {pattern!r} is no text")
        if per not in {"", "job"}:
            raise ValueError(f"per {per!r} of {pattern} is neither '' nor 'job'")
        if ttl_s is not None and not (_is_number(ttl_s) and ttl_s > 0):
            raise ValueError(f"ttl_s_max {ttl_s!r} of {pattern} is neither null nor a positive number")
    return tuple(KeyPattern(**given) for given in value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sources(_key: str, value: Any) -> object:  # noqa: ANN401  # JSON from outside
    return {clause: Source(**source) for clause, source in value.items()}


_READ: dict[str, Callable[[str, Any], object]] = {"delivery": _delivery, "keys": _keys, "sources": _sources}
