"""`make interleave`: each rule switched off is found; the sound transitions keep every promise in all orders."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

from tests.interleave.crew import Crew, crew
from tests.interleave.explore import Explored, explore
from tests.interleave.rules import RULES, SOUND, overlays
from tests.interleave.world import Bounds

SECONDS = 270.0
PROCESSES = 2

# Each is explored to its end if its share of the time lasts, but the last: all of it at once, as far as it goes.
NOTHING = Bounds(lost=0, held=0, kills=0, waits=0, rollbacks=0, sweeps=0, heartbeats=0)
WORLDS = (
    ("two answers lost", replace(NOTHING, lost=2)),
    ("a late command, a lease ends", replace(NOTHING, jobs=1, held=1, waits=1, sweeps=1)),
    ("a kill, a lease ends", replace(NOTHING, claims=1, kills=1, waits=1, sweeps=1)),
    ("a kill, an answer lost", replace(NOTHING, jobs=1, slots=1, lost=1, kills=1, waits=1, sweeps=1)),
    ("a kill, a late command", replace(NOTHING, jobs=1, slots=1, held=1, kills=1, claims=1)),
    ("a lease ends while its holder renews", replace(NOTHING, jobs=1, waits=1, sweeps=1, heartbeats=1)),
    ("a roll-back", replace(NOTHING, jobs=1, waits=1, rollbacks=1, sweeps=1)),
    ("a roll-back, a late command", replace(NOTHING, jobs=1, slots=1, held=1, waits=1, rollbacks=1, claims=1)),
    ("all of it", Bounds()),
)


def main() -> int:
    """0: every promise held, and every rule that was switched off was found."""
    parser = argparse.ArgumentParser(prog="interleave", description=__doc__)
    parser.add_argument("--depth", type=int, default=0, help="steps from the beginning (default: as far as it goes)")
    parser.add_argument("--jobs", type=int, default=2, help="most jobs in a world (default: 2)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"time for all of it (default: {SECONDS:.0f})")
    options = parser.parse_args()
    if not 1 <= options.jobs <= 8 or options.depth < 0 or options.seconds <= 0:  # names: a to h
        parser.error("--jobs takes 1 to 8, --depth 0 or more, --seconds more than 0")
    end_s = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as folder, crew(overlays(Path(folder)), PROCESSES) as processes:
        missed = _rules(processes, options.jobs, options.depth, end_s)
        broken = _worlds(processes, options.jobs, options.depth, end_s)
    return 1 if missed or broken else 0


def _say(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _within(bounds: Bounds, jobs: int) -> Bounds:
    return replace(bounds, jobs=min(bounds.jobs, jobs))


def _rules(processes: Crew, jobs: int, depth: int, end_s: float) -> int:
    _say("Each rule switched off by one changed place of one script:\n")
    _say(
        "| rule | script | found after states | transitions | broken promise | shortest trace |"
        "\n|---|---|---|---|---|---|"
    )
    missed = 0
    for rule in RULES:
        found = explore(processes, rule.name, _within(rule.bounds, jobs), depth, end_s - time.monotonic())
        missed += not found.problem
        what = found.problem or "NOT FOUND"
        _say(
            f"| {rule.name} | {rule.script} | {found.states:,} | {found.transitions:,} "
            f"| {what} | {' → '.join(found.trace)} |"
        )
    _say(f"\n{len(RULES) - missed} of {len(RULES)} found.\n")
    return missed


def _worlds(processes: Crew, jobs: int, depth: int, end_s: float) -> int:
    _say("The sound scripts, all orders:\n")
    _say(
        "| world | bounds | states | transitions | explored | seconds | broken promises |"
        "\n|---|---|---|---|---|---|---|"
    )
    explored: list[Explored] = []
    for left, (name, bounds) in zip(range(len(WORLDS), 0, -1), WORLDS, strict=True):
        share_s = (end_s - time.monotonic()) / left
        world = explore(processes, SOUND, _within(bounds, jobs), depth, share_s)
        explored.append(world)
        size = ", ".join(f"{what} {number}" for what, number in asdict(world.bounds).items() if number)
        how_far = "all" if world.complete else f"all within {world.depth} steps"
        problem = f"{world.problem}: {' → '.join(world.trace)}" if world.problem else "none"
        _say(
            f"| {name} | {size} | {world.states:,} | {world.transitions:,} | {how_far} "
            f"| {world.seconds:.0f} | {problem} |"
        )
    kinds: Counter[str] = sum((world.kinds for world in explored), Counter())
    late: Counter[str] = sum((world.late for world in explored), Counter())
    _say(f"\n{sum(kinds.values()):,} transitions in {sum(world.states for world in explored):,} states. By kind:\n")
    _say("| step | taken | of these, late copies |\n|---|---|---|")
    for kind, number in kinds.most_common():
        _say(f"| {kind} | {number:,} | {late[kind] or ''} |")
    return sum(bool(world.problem) for world in explored)


if __name__ == "__main__":
    sys.exit(main())
