"""A seeded sample of what ``make mutations`` does: every mutation at some places, and what a miss looks like."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import pytest

from scenarios.checkers.registry import CHECKERS
from tests.mutations import __main__ as command
from tests.mutations import table
from tests.mutations.all import MUTATIONS
from tests.mutations.metamorphic import CHANGES
from tests.mutations.scene import Mutant, Mutation, Scene
from tests.mutations.table import as_text, score
from tests.mutations.trial import applies, random_of, try_out
from tests.recorded import recorded

pytestmark = pytest.mark.unit
SEED = 5
HISTORIES = 2


@cache
def scenes() -> tuple[Scene, ...]:
    return tuple(Scene(each) for each in recorded())


def with_places(mutation: Mutation) -> list[Scene]:
    """Some histories in which it can be made, another choice for each mutation."""
    chosen: list[Scene] = []
    for scene in Random(f"{SEED}-{mutation.name}").sample(scenes(), len(scenes())):
        if applies(mutation, scene) and mutation.make(scene, random_of(mutation, scene, SEED, 0)) is not None:
            chosen.append(scene)
        if len(chosen) == HISTORIES:
            break
    return chosen


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: f"{each.checker}-{each.name}")
def test_the_right_checker_finds_each_mutant_that_is_unlawful(mutation: Mutation) -> None:
    chosen = with_places(mutation)
    assert chosen, "no recorded history has a place for it"
    tally = try_out(mutation, chosen, times=1, seed=SEED)
    assert tally.applied
    assert not tally.survivors, f"seed {SEED}"


def test_each_checker_has_at_least_three_mutations_under_names_of_their_own() -> None:
    count = {name: sum(1 for each in MUTATIONS if each.checker == name) for name in CHECKERS}
    assert {name: n for name, n in count.items() if n < 3} == {}
    assert len({each.name for each in MUTATIONS}) == len(MUTATIONS)
    assert len({(each.checker, each.bug) for each in MUTATIONS}) == len(MUTATIONS)


def nothing_changed(scene: Scene, random: Random) -> Mutant | None:
    story = random.choice(scene.done)
    return Mutant(scene.draft(), story.job)


def test_a_mutant_that_nobody_finds_is_a_miss() -> None:
    blind = Mutation("lost", "none at all", nothing_changed, "blind")
    tally = try_out(blind, scenes()[:1], times=2, seed=SEED)
    assert (tally.applied, tally.killed, tally.excused, len(tally.survivors)) == (2, 0, 0, 2)
    assert score([tally]) == "0.0%"
    assert "Missed:\n\n- lost, none at all:" in as_text([tally], 1, SEED)


def test_a_finding_by_another_checker_or_of_another_job_kills_no_mutant() -> None:
    dropped = next(each for each in MUTATIONS if each.name == "dropped")
    steady = [each for each in scenes() if each.recorded.name == "reference-steady"]
    assert try_out(replace(dropped, checker="phantom"), steady, times=1, seed=SEED).killed == 0

    def wrong_name(scene: Scene, random: Random) -> Mutant | None:
        mutant = dropped.make(scene, random)
        return mutant and replace(mutant, job="w-0000")

    assert try_out(replace(dropped, make=wrong_name), steady, times=1, seed=SEED).killed == 0


def test_a_mutant_that_may_be_lawful_counts_neither_way() -> None:
    def excused(scene: Scene, random: Random) -> Mutant | None:
        mutant = nothing_changed(scene, random)
        return mutant and replace(mutant, excuse="fault freeze-2")

    tally = try_out(Mutation("lost", "none", excused, "excused"), scenes()[:1], times=3, seed=SEED)
    assert (tally.excused, tally.unlawful, dict(tally.excuses)) == (3, 0, {"fault freeze": 3})
    assert score([tally]) == "none applied"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The command over two histories and little more, writing to a page of its own."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(table, "DOCUMENT", page)
    small = [each for each in recorded() if each.name in {"reference-worker_poison", "reference-rate_limit"}]
    monkeypatch.setattr(command, "recorded", lambda: tuple(small))
    monkeypatch.setattr(command, "CHANGES", CHANGES[:2])
    monkeypatch.setattr(
        command, "MUTATIONS", [each for each in MUTATIONS if each.name in {"ghost", "one_past_the_rate"}]
    )
    return page


def test_the_command_writes_what_it_saw_between_the_markers(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--times", "1", "--least", "1", "--seed", "4", "--write"]) == 0
    text = few.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{table.BEGIN}\n\nSeed 4: 2 mutations over 2 histories, 3 mutants: ")
    assert text.endswith(f"\n\n{table.END}\nafter\n")
    assert "| `phantom` | 1 | 2 | 2 | 0 | 0 | 100.0% |" in text
    assert "| all times shifted | a clock's zero means nothing | 2 | 0 |" in text
    assert "Missed: none." in capsys.readouterr().out


def test_the_command_ends_with_1_where_a_mutant_is_missed(
    few: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "MUTATIONS", [Mutation("lost", "none at all", nothing_changed, "blind")])
    assert command.main(["--times", "1", "--least", "1"]) == 1
    assert "old" in few.read_text(encoding="utf-8")
    assert "- lost, none at all: reference-rate_limit #0, job w-" in capsys.readouterr().out


def test_a_page_without_the_markers_is_not_overwritten(few: Path) -> None:
    few.write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="are needed"):
        table.write("text")
    assert few.read_text(encoding="utf-8") == "mine"
