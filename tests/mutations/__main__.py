"""All mutations and all metamorphic changes over all recorded histories: python -m tests.mutations [--seed N]."""

import argparse
import sys
from collections.abc import Sequence
from random import Random

from tests.mutations.all import MUTATIONS
from tests.mutations.metamorphic import CHANGES, altered
from tests.mutations.scene import Scene
from tests.mutations.table import DOCUMENT, as_text, write
from tests.mutations.trial import Tally, try_out
from tests.recorded import recorded


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0, or 1 where a checker missed a mutant or a change that may not alter a verdict altered one."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the places (default: 0)")
    parser.add_argument("--times", type=int, default=4, help="places a mutation and history (default: 4)")
    parser.add_argument("--least", type=int, default=24, help="mutants a mutation, where few histories have a place")
    parser.add_argument("--write", action="store_true", help=f"put the result into {DOCUMENT.name}")
    options = parser.parse_args(argv)
    scenes = [Scene(each) for each in recorded()]
    tallies = []
    for mutation in MUTATIONS:
        tally = try_out(mutation, scenes, options.times, options.seed, options.least)
        print(_line(tally), flush=True)  # noqa: T201  # a tool for the terminal
        tallies.append(tally)
    alarms, told = _metamorphic(scenes, options.seed, max(1, options.times // 2))
    text = as_text(tallies, len(scenes), options.seed, metamorphic=told)
    print(text)  # noqa: T201
    if options.write:
        write(text)
    return 1 if alarms or any(each.survivors for each in tallies) else 0


def _line(tally: Tally) -> str:
    missed = tally.unlawful - tally.killed
    numbers = f"{tally.applied:5} mutants {tally.killed:5} found {tally.excused:4} may be lawful {missed:3} missed"
    return f"{tally.mutation.checker:13}{tally.mutation.name:45}{numbers}"


def _metamorphic(scenes: Sequence[Scene], seed: int, times: int) -> tuple[int, str]:
    lines = ["| change | why it must hold | judged again | altered a verdict |", "| --- | --- | --- | --- |"]
    found: list[str] = []
    for change in CHANGES:
        done, mine = 0, list[str]()
        for scene in scenes:
            for number in range(times):
                draft, place = scene.draft(), f"{scene.recorded.name} #{number}"
                if change.make(scene, draft, Random(f"{seed}-{change.name}-{place}")):
                    done += 1
                    mine += [f"{change.name}, {place}: {text}" for text in altered(scene, draft, change)]
        lines.append(f"| {change.name} | {change.why} | {done} | {len(mine)} |")
        found += mine
    lines += ["", *(f"- {text}" for text in found)] if found else []
    return len(found), "Changes that must alter nothing:\n\n" + "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
