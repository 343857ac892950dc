"""``python -m tests.lawful --n 100000 --first 20261124000000 --jobs 2``: judge lawful histories."""

# ruff: noqa: T201  # what a command prints is what it is for

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context

os.environ.setdefault(
    "POLARS_MAX_THREADS", "1"
)  # read when polars is first loaded: small frames gain nothing from more

CHUNK = 250
SHOWN_MAX = 5
RULE_TRIES_MAX = 100


@dataclass(slots=True)
class Chunk:
    """What came of some seeds. ``reached`` counts histories in which a situation occurred at least once."""

    n: int = 0
    lines: int = 0
    reached: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    undecided: Counter[str] = field(default_factory=Counter)
    accused: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)

    def add(self, other: "Chunk") -> None:
        """Sum up."""
        self.n, self.lines = self.n + other.n, self.lines + other.lines
        for mine, theirs in (
            (self.reached, other.reached), (self.kinds, other.kinds), (self.undecided, other.undecided),
        ):  # fmt: skip
            mine.update(theirs)
        self.accused += other.accused


def look(first: int, n: int) -> Chunk:
    """Judge the worlds of these seeds."""
    from tests.lawful.draws import draw_world
    from tests.lawful.judging import judged  # polars must not be loaded before its setting is there

    chunk = Chunk(n)
    for seed in range(first, first + n):
        one = judged(draw_world(seed))
        chunk.lines += len(one.lines)
        chunk.kinds[one.world.kind] += 1
        chunk.reached.update(name for name, times in one.reached.items() if times)
        chunk.undecided.update(one.undecided)
        if one.findings:
            chunk.accused.append((seed, one.findings))
    return chunk


def chunks(first: int, n: int, jobs: int) -> Iterator[Chunk]:
    """In the order of their seeds, on so many processes."""
    spans = [(first + done, min(CHUNK, n - done)) for done in range(0, n, CHUNK)]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for each in [pool.submit(look, *span) for span in spans]:
            yield each.result()


def show_accused(chunk: Chunk) -> None:
    """The first few, each with the smallest history that still shows it."""
    from tests.lawful.draws import draw_world
    from tests.lawful.judging import shrunk
    from tests.lawful.printed import printed

    for seed, findings in islice(chunk.accused, SHOWN_MAX):
        print(f"\nseed {seed}:")
        print("\n".join(f"  {finding}" for finding in findings))
        print("the smallest history of it:")
        print(printed(shrunk(draw_world(seed))))


def show_rules(first: int, at_most: int) -> int:
    """Break each rule, in quiet worlds and in worlds of faults, until its checker finds it. How many were not found."""
    from tests.lawful.judging import caught
    from tests.lawful.rules import RULES

    missed = 0
    print(f"{len(RULES)} rules, each broken alone; histories until the right checker found it (of at most {at_most})")
    print(f"{'rule':<34} {'checker':<28} {'quiet':>5} {'faults':>6}")
    for name, rule in RULES.items():
        quiet, faults = caught(name, first, at_most, 0), caught(name, first + at_most, at_most, 2)
        missed += (not quiet.after) + (not faults.after)
        print(f"{name:<34} {', '.join(rule.by):<28} {quiet.after or 'none':>5} {faults.after or 'none':>6}", flush=True)
    print(f"not found: {missed}")
    return missed


def main() -> int:
    """0: no history was accused; 1: at least one was."""
    parser = argparse.ArgumentParser(prog="python -m tests.lawful", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="how many histories")
    parser.add_argument("--first", type=int, default=1, help="the first seed; one history a seed")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--rules", action="store_true", help="break each rule instead, until its checker finds it")
    given = parser.parse_args()
    wrong = [f"--{name} {value}: must be at least {least}" for name, value, least in
             (("n", given.n, 1), ("first", given.first, 0), ("jobs", given.jobs, 1)) if value < least]  # fmt: skip
    if wrong:
        parser.error("; ".join(wrong))
    if given.rules:
        return 1 if show_rules(given.first, min(given.n, RULE_TRIES_MAX)) else 0
    total, began = Chunk(), time.monotonic()
    for chunk in chunks(given.first, given.n, given.jobs):
        total.add(chunk)
        if sys.stderr.isatty() or total.n % 10_000 < CHUNK:
            print(f"{total.n} of {given.n}, {len(total.accused)} accused", file=sys.stderr, flush=True)
    took_s = time.monotonic() - began
    print(
        f"{total.n} lawful histories, seeds {given.first} to {given.first + given.n - 1}, {total.lines} events,"
        f" {took_s:.0f} s on {given.jobs} processes ({took_s * given.jobs / total.n * 1000:.1f} ms each)"
    )
    print(f"accused: {len(total.accused)}")
    print("kinds of queue: " + ", ".join(f"{name} {n}" for name, n in total.kinds.most_common()))
    print("undecided: " + (", ".join(f"{name} in {n}" for name, n in total.undecided.most_common()) or "nothing"))
    print("histories in which this happened:")
    for name, n in sorted(total.reached.items(), key=lambda pair: (-pair[1], pair[0])):
        print(f"  {n:>7}  {name}")
    show_accused(total)
    return 1 if total.accused else 0


if __name__ == "__main__":
    sys.exit(main())
