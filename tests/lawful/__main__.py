"""``python -m tests.lawful --n 100000 --first 20261124000000 --jobs 2``: judge lawful histories."""

# ruff: noqa: T201  # what a command prints is what it is for; polars reads its setting when it is loaded
import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # small frames gain nothing from more

import argparse
import sys
import time
from itertools import islice
from typing import Final

from tests.lawful.draws import draw_world
from tests.lawful.judging import caught, shrunk
from tests.lawful.many import CHUNK, Chunk, look_at_many
from tests.lawful.printed import printed
from tests.lawful.rules import RULES

SHOWN_MAX: Final = 5
RULE_TRIES_MAX: Final = 100
PROGRESS_EVERY: Final = 10_000


def main() -> int:
    """0: no history was accused (with ``--rules``: every broken rule was found); 1: otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.lawful", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="how many histories")
    parser.add_argument("--first", type=int, default=1, help="the first seed; one history a seed")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--rules", action="store_true", help="break each rule instead, until its checker finds it")
    given = parser.parse_args()
    least = {"n": 1, "first": 0, "jobs": 1}
    wrong = [f"--{name} {getattr(given, name)}: must be at least {at_least}"
             for name, at_least in least.items() if getattr(given, name) < at_least]  # fmt: skip
    if wrong:
        parser.error("; ".join(wrong))
    if given.rules:
        return 1 if show_rules(given.first, min(given.n, RULE_TRIES_MAX)) else 0
    total, began = Chunk(), time.monotonic()
    for chunk in look_at_many(given.first, given.n, given.jobs):
        total.add(chunk)
        for seed, findings in chunk.accused:
            print(f"seed {seed}: {findings[0]}", file=sys.stderr, flush=True)
        if total.n % PROGRESS_EVERY < CHUNK:
            print(f"{total.n} of {given.n}, {len(total.accused)} accused", file=sys.stderr, flush=True)
    took_s = time.monotonic() - began
    print(
        f"{total.n} lawful histories, seeds {given.first} to {given.first + given.n - 1}, {total.lines} events,"
        f" {took_s:.0f} s on {given.jobs} processes"
    )
    show(total)
    show_accused(total)
    return 1 if total.accused else 0


def show(total: Chunk) -> None:
    """What was in the histories, so that nobody need believe that they were lively."""
    print(f"accused: {len(total.accused)}")
    print("kinds of queue: " + ", ".join(f"{name} {n}" for name, n in total.kinds.most_common()))
    print("undecided: " + (", ".join(f"{name} in {n}" for name, n in total.undecided.most_common()) or "nothing"))
    print("histories in which this happened:")
    for name, n in sorted(total.reached.items(), key=lambda pair: (-pair[1], pair[0])):
        print(f"  {n:>7}  {name}")


def show_accused(total: Chunk) -> None:
    """The first few, each with the smallest history that still shows it."""
    for seed, findings in islice(total.accused, SHOWN_MAX):
        print(f"\nseed {seed}:")
        print("\n".join(f"  {finding}" for finding in findings))
        print("the smallest history of it:")
        print(printed(shrunk(draw_world(seed))))


def show_rules(first: int, at_most: int) -> int:
    """Break each rule, in quiet worlds and in worlds of faults, until its checker finds it. How many were not found."""
    missed = 0
    print(f"{len(RULES)} rules, each broken alone; histories until the right checker found it (of at most {at_most})")
    print(f"{'rule':<34} {'checker':<28} {'quiet':>5} {'faults':>6}")
    for name, rule in RULES.items():
        quiet, faults = caught(name, first, at_most, 0), caught(name, first + at_most, at_most, 2)
        missed += (not quiet.after) + (not faults.after)
        print(f"{name:<34} {', '.join(rule.by):<28} {quiet.after or 'none':>5} {faults.after or 'none':>6}", flush=True)
    print(f"not found: {missed}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
