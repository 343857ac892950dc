"""The page that ``stormproof seeds`` writes: the rows, and what they bound, with the population that it holds for."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from scenarios.marked_page import put_between
from scenarios.seed_rows import ENDINGS, Row

BEGIN: Final = "<!-- seeds: begin (written by `stormproof seeds`) -->"
END: Final = "<!-- seeds: end -->"
HEAD: Final = (
    (
        "| seed | hog | scenarios | jobs | runs | repeats explained | undecided | faults fired | host stall | findings"
        " | ended | time |\n"
    )
    + "|---" * 12
    + "|"
)
RULE_OF_THREE: Final = 3.0
WHY_CHARACTERS_MAX: Final = 160


def page(rows: Sequence[Row]) -> str:
    """Bounds, table, and what did not pass."""
    ordered = sorted(rows, key=lambda row: row.seed)
    parts = [*_population(ordered), "", HEAD, *map(_line, ordered), *_odd(ordered)]
    return "\n".join(parts)


def write(path: Path, text: str) -> None:
    """Between the markers of the file, which stay; the prose around them too."""
    put_between(path, text, BEGIN, END)


def _population(rows: Sequence[Row]) -> Iterator[str]:
    told = [row for row in rows if row.at]
    if not told:
        yield f"{len(rows)} campaigns, none of which came to an end."
        return
    days = sorted({row.at[:10] for row in told})
    yield (
        f"Measured {' to '.join(dict.fromkeys((days[0], days[-1])))} on one machine with {told[0].cpus} processors,"
        f" {', '.join(sorted({name for row in told for name in row.servers}))}; campaigns side by"
        " side, each with its own Redis and Toxiproxy. Seeds with a hog ran after the others, beside one process a"
        " processor that does nothing but compute."
    )
    yield ""
    for title, mine in (
        ("Without a hog", [row for row in rows if not row.hog]),
        ("Beside a hog", [row for row in rows if row.hog]),
    ):
        if mine:
            yield f"- **{title}**: {_bound(mine)}"


def _bound(rows: Sequence[Row]) -> str:
    judged, found = sum(row.judged for row in rows), sum(sum(row.found.values()) for row in rows)
    alarmed = sum(row.endings.get("fail", 0) for row in rows)
    planned = sum(row.scenarios for row in rows)
    text = (
        f"{len(rows)} campaigns, {judged:,} scenario runs judged of {planned:,} begun, {sum(r.jobs for r in rows):,}"
        f" acknowledged jobs, {sum(r.runs for r in rows):,} runs, {sum(r.examined for r in rows):,} times that a"
        f" checker examined something: {found} findings"
    )
    if alarmed:
        return f"{text}, in {alarmed} scenario runs."
    if not judged:
        return f"{text}; nothing is bounded."
    share = RULE_OF_THREE / judged
    return f"{text}. Of runs like these, fewer than {share:.2%} have a false alarm (rule of three, 95 % confidence)."


def _line(row: Row) -> str:
    found = ", ".join(f"{name} {n}" for name, n in row.found.items()) or "0"
    endings = ", ".join(f"{row.endings[each]} {each}" for each in ENDINGS if row.endings.get(each))
    cells = (
        row.seed,
        "yes" if row.hog else "",
        row.scenarios,
        row.jobs,
        row.runs,
        row.repeats_explained,
        row.undecided,
        f"{row.faults_fired} of {row.faults_planned}",
        f"{row.host_stall_s:.1f} s",
        found,
        f"no record: {_short(row.error)}" if row.error else endings,
        f"{row.seconds:.0f} s",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def _odd(rows: Sequence[Row]) -> Iterator[str]:
    """What did not pass, counted; the first reason of each stands for the others."""
    times: Counter[tuple[str, str, bool]] = Counter()
    first: dict[tuple[str, str, bool], str] = {}
    for row in rows:
        for odd in row.odd:
            key = (odd.scenario, str(odd.ending), row.hog)
            times[key] += 1
            first.setdefault(key, f"seed {row.seed}: {_short(odd.why)}")
    if not times:
        return
    yield from ("", "What did not pass:", "", "| scenario | hog | ended | times | the first |", "|---" * 5 + "|")
    for key in sorted(times):
        scenario, ended, hog = key
        yield f"| {scenario} | {'yes' if hog else ''} | {ended} | {times[key]} | {first[key]} |"


def _short(text: str) -> str:
    line = " ".join(text.split()).replace("|", "\\|")
    return line if len(line) <= WHY_CHARACTERS_MAX else f"{line[:WHY_CHARACTERS_MAX]} …"
