"""Keys that the queue left behind, by what it says itself that it owns."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import KeyPattern, Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered
from scenarios.history_rest import Rest
from scenarios.history_types import s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

ANOMALIES: Final = {
    "unknown key": Anomaly(
        definition="A key lies in the store at the end that matches no pattern of keys that the queue says it owns.",
        smallest='key("", "q:forgotten", at=100)',
        means="Nobody knows whose it is, so nobody dares to delete it: the store fills up over months.",
    ),
    "kept too long": Anomaly(
        definition="A key is to live for longer than any of its pattern may.",
        smallest='key("q:slot:*", n=3, ttl_s=600, at=100)',
        means="Memory is needed for longer than was reckoned with: a store that sufficed on paper fills up.",
    ),
    "never expires": Anomaly(
        definition="At rest a key has no time to live, although all of its pattern expire.",
        smallest='key("q:slot:*", n=3, bare=1, ttl_s=60, at=100)',
        means="Each worker, deployment or crash leaves something behind for good.",
    ),
    "left behind": Anomaly(
        definition="At rest more keys that belong to jobs have no time to live than jobs are not over.",
        smallest='key("q:job:*", bare=1, at=100)',
        means="Jobs that are long over stay in memory: the store grows with every job that was ever run.",
    ),
}
OVER: Final = ("finished", "cancelled", "absent")


def residue(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: keys at the end. Undecided: patterns with keys that need a time to live, while jobs were on their way.

    Whenever it is looked at, each key matches a pattern, and none has a longer time to live than its pattern. That keys
    have one is held against the queue only at rest, and not after a roll-back of the store. Where a pattern's keys
    belong to jobs, as many may lack one as there are jobs that are not over: those that wait, are delayed, run or are
    dead by the reading of their states, whose state nobody read, or whose enqueue may still arrive.
    """
    tally = Gathered()
    if history.keys.is_empty():
        return tally.judged()
    patterns = {each.pattern: each for each in promise.keys}
    rest = Rest(history.causes(promise, scenario.policy), scenario)
    still = rest.nothing_moves and not history.canary.losses
    owners = _not_over(history)
    for t, pattern, name, n, bare, ttl_ms, size in history.keys.select(
        "t", "pattern", "name", "n", "without_ttl", "ttl_ms_max", "bytes"
    ).iter_rows():
        tally.examined += n
        for anomaly, says, needs_rest in _problems(patterns.get(pattern), name, n, bare, ttl_ms, owners):
            if needs_rest and not still:
                tally.undecided += 1
                continue
            tally.findings.append(
                Finding(
                    anomaly=anomaly,
                    job=None,
                    at_ns=t,
                    says=f"{says} ({size} bytes).",
                    causes_rejected=(
                        f"Not on its way: nothing ran or healed for {s(rest.quiet_ns):.3f} s before states were read.",
                        f"No store loss: {history.canary.missing} of {history.canary.acked} canary writes are missing.",
                    ),
                    clause="residue",
                )
            )
    return tally.judged()


def _problems(
    pattern: KeyPattern | None, name: str, n: int, bare: int, ttl_ms: int, owners: int
) -> Iterator[tuple[str, str, bool]]:
    """What is wrong with the keys of one pattern, in words, and whether it is wrong only at rest."""
    if pattern is None:
        more = f" and {n - 1} more keys are" if n > 1 else " is"
        yield "unknown key", f"Key {name}{more} in the store at the end, and no pattern that the queue owns", False
        return
    keys = f"{n} keys {pattern.pattern}, {name} among them"
    if pattern.ttl_s_max is not None and ttl_ms > pattern.ttl_s_max * 1000:
        longest = f"{ttl_ms / 1000:.3f} s, where {pattern.ttl_s_max:g} s are the most"
        yield "kept too long", f"Of {keys}, one is to live for {longest}", False
    if pattern.per == "job" and bare > owners:
        yield "left behind", f"Of {keys}, {bare} never expire, and only {owners} jobs are not over", True
    elif not pattern.per and pattern.ttl_s_max is not None and bare:
        yield "never expires", f"Of {keys}, {bare} never expire, though all of them should", True


def _not_over(history: "History") -> int:
    over = pl.col("state").is_in(OVER) & ~((pl.col("state") == "absent") & (pl.col("outcome") == "unknown"))
    return history.jobs.filter(~over.fill_null(value=False)).height
