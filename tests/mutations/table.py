"""docs/mutations.md: what was made of which histories, what was found, and by whom."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.mutations.trial import Tally

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "mutations.md"
BEGIN: Final = "<!-- made by: make mutations -->"
END: Final = "<!-- end of what was made -->"


def as_text(tallies: Sequence[Tally], histories: int, seed: int, *, metamorphic: str = "") -> str:
    """Everything between the markers."""
    applied, killed = sum(each.applied for each in tallies), sum(each.killed for each in tallies)
    excused = sum(each.excused for each in tallies)
    parts = [
        (
            f"Seed {seed}: {len(tallies)} mutations over {histories} histories, {applied} mutants: {killed} found by"
            f" the right checker, {excused} survived and may be lawful, {applied - killed - excused} missed."
        ),
        _table(
            ["checker", "mutations", "mutants", "found", "may be lawful", "missed", "kill score"], _by_checker(tallies)
        ),
        _table(
            ["checker", "bug", "histories", "mutants", "found", "may be lawful", "missed", "found as", "also found by"],
            (_row(each) for each in tallies),
        ),
        "What may be lawful, and why:",
        _table(
            ["checker", "bug", "excuses"], ([*_who(each), _counted(each.excuses)] for each in tallies if each.excuses)
        ),
    ]
    survivors = [
        f"- {each.mutation.checker}, {each.mutation.bug}: {text}" for each in tallies for text in each.survivors
    ]
    parts.append("Missed:\n\n" + "\n".join(survivors) if survivors else "Missed: none.")
    return "\n\n".join([*parts, metamorphic] if metamorphic else parts)


def _by_checker(tallies: Sequence[Tally]) -> Iterable[list[str]]:
    for name in dict.fromkeys(each.mutation.checker for each in tallies):
        mine = [each for each in tallies if each.mutation.checker == name]
        applied, killed = sum(each.applied for each in mine), sum(each.killed for each in mine)
        excused = sum(each.excused for each in mine)
        numbers = [len(mine), applied, killed, excused, applied - killed - excused]
        yield [f"`{name}`", *map(str, numbers), score(mine)]


def score(tallies: Sequence[Tally]) -> str:
    """Found / had to be found: mutants that survived and may be lawful count as neither."""
    unlawful = sum(each.unlawful for each in tallies)
    return f"{sum(each.killed for each in tallies) / unlawful:.1%}" if unlawful else "none applied"


def _who(tally: Tally) -> list[str]:
    return [f"`{tally.mutation.checker}`", tally.mutation.bug]


def _row(each: Tally) -> list[str]:
    numbers = [len(each.histories), each.applied, each.killed, each.excused, each.unlawful - each.killed]
    return [*_who(each), *map(str, numbers), _counted(each.anomalies), _counted(each.others)]


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.most_common())


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def write(text: str) -> None:
    """Put it between the document's markers. Raises ``ValueError`` where they are gone."""
    whole = DOCUMENT.read_text(encoding="utf-8")
    if BEGIN not in whole or END not in whole:
        raise ValueError(f"{DOCUMENT}: the lines {BEGIN!r} and {END!r} are needed")
    before, _, rest = whole.partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
