"""Every checker over one world's history; what it finds is a false alarm unless a rule of the queue was broken."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from stormproof_target.spec import succeeds

from loadtests.arrivals import constant
from scenarios.history import History
from scenarios.judge import Judgement, judge
from scenarios.scenario import Scenario, Workers
from tests.lawful.draws import draw_world
from tests.lawful.play import Play
from tests.lawful.rules import RULES
from tests.lawful.telling import Line
from tests.lawful.world import World

NOISES: Final = range(1, 5)
BARE: Final = Scenario(
    name="lawful", claim="", stands_for="", load=constant(rate_s=10, for_s=1, jobs={succeeds(): 1})
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """One history and what the checkers say; ``findings`` are ``checker: sentence``."""

    world: World
    lines: list[Line]
    reached: dict[str, int]
    failed: tuple[str, ...]
    findings: tuple[str, ...]
    undecided: tuple[str, ...]


def scenario_of(world: World) -> Scenario:
    """What a catalogue would call this world."""
    forgets = any(blow.kind == "roll back" for blow in world.blows)
    return replace(
        BARE, policy=world.policy, workers=Workers(world.workers, world.slots),
        durability="everysec" if forgets else "always",
    )  # fmt: skip


def judge_lines(world: World, lines: list[Line]) -> Judgement:
    """All checkers of the registry, under the world's promise."""
    return judge(History.from_events(lines), world.promise, scenario_of(world))


def judged(world: World, broken: str = "") -> Judged:
    """Play the world and judge what its ledgers tell. A checker that crashes counts as a finding."""
    play = Play(world, broken)
    lines = play.history()
    judgement = judge_lines(world, lines)
    findings = [
        f"{each.name}: {finding.anomaly}: {finding.says}"
        for each in judgement.checkers
        for finding in each.judged.findings
    ]
    findings += [f"{each.name}: crashed: {each.error}" for each in judgement.checkers if each.error]
    return Judged(
        world, lines, dict(play.reached), judgement.failed, tuple(findings),
        tuple(each.name for each in judgement.checkers if each.judged.undecided),
    )  # fmt: skip


def shrunk(world: World, broken: str = "", by: tuple[str, ...] = ()) -> Judged:
    """The same anomaly with as few jobs and blows as still show it: one is left out at a time, while any can be.

    ``by``: checkers any of which must find it (none: that of the first finding).
    """

    def shows(candidate: World) -> Judged | None:
        for noise in (candidate.noise, *NOISES):  # what is left out shifts all that chance decides after it
            one = judged(replace(candidate, noise=noise), broken)
            if any(finding.startswith(by) for finding in one.findings):
                return one
        return None

    best = judged(world, broken)
    by = by or (best.findings[0].split(":")[0],)
    going = True
    while going:
        going = False
        for part in ("blows", "jobs"):
            for index in range(len(getattr(best.world, part)) - 1, -1, -1):
                less = shows(best.world.without(part, index))
                if less:
                    best, going = less, True
    return best


@dataclass(frozen=True, slots=True)
class Caught:
    """After how many histories the right checker found a broken rule (0: not within those tried), and who else did."""

    after: int
    seed: int
    others: tuple[str, ...]


def caught(name: str, first: int, at_most: int, blows: int) -> Caught:
    """Break a rule in world after world, with so many blows besides those that the rule needs."""
    rule = RULES[name]
    others: Counter[str] = Counter()
    for tried, seed in enumerate(range(first, first + at_most), start=1):
        failed = judged(draw_world(seed, rule.wanting, blows), name).failed
        others.update(failed)
        if set(failed) & set(rule.by):
            return Caught(tried, seed, tuple(sorted(others)))
    return Caught(0, 0, tuple(sorted(others)))
