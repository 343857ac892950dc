import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from reports.html import render
from reports.run_record import RunRecord
from reports.verdict import Verdict
from tests.reports import sample
from tests.reports.pages import read

SAMPLES: list[Callable[[], RunRecord]] = [sample.campaign, sample.single, sample.passed]
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}</style>'&amp; $x$"


def hostile() -> RunRecord:
    """Hostile words wherever a target, a scenario's author or a job can put them."""
    record = sample.single()
    part = record.parts[0]
    run = sample.workers_killed()
    finding = replace(
        run.findings[0],
        job=HOSTILE,
        says=HOSTILE,
        anomaly=HOSTILE,
        more_like_it=(HOSTILE,),
        timeline=(replace(run.findings[0].timeline[0], who=HOSTILE, what=f"`{HOSTILE}`"),),
        causes=(replace(run.findings[0].causes[0], cause=HOSTILE, fails=HOSTILE),),
        clause=replace(sample.DELIVERY, sentence=HOSTILE, source=HOSTILE),
    )
    run = replace(
        run,
        name=HOSTILE,
        title=HOSTILE,
        claim=HOSTILE,
        why=(HOSTILE,),
        replay=HOSTILE,
        findings=(finding,),
        faults=(replace(run.faults[0], name=HOSTILE, label=HOSTILE, evidence=(HOSTILE,)),),
        checkers=(replace(run.checkers[0], name=HOSTILE, error=HOSTILE, verdict=Verdict.INCONCLUSIVE),),
    )
    target = replace(part.target, name=HOSTILE, title=HOSTILE, version=HOSTILE)
    return replace(record, note=HOSTILE, campaign=HOSTILE, parts=(replace(part, target=target, scenarios=(run,)),))


@pytest.mark.parametrize("make", SAMPLES)
def test_the_page_is_well_formed_with_unique_ids_and_links_that_lead_somewhere(make: Callable[[], RunRecord]) -> None:
    page = read(render(make()))
    assert len(set(page.ids)) == len(page.ids)
    links = [attrs["href"] for tag, attrs in page.elements if tag in {"a", "use"}]
    assert {link for link in links if link and link[1:] not in page.ids} == set()
    labels = [attrs["aria-labelledby"] for _, attrs in page.elements if "aria-labelledby" in attrs]
    assert {each for label in labels for each in (label or "").split() if each not in page.ids} == set()


@pytest.mark.parametrize("make", SAMPLES)
def test_the_page_asks_for_nothing_from_anywhere(make: Callable[[], RunRecord]) -> None:
    text = render(make())
    page = read(text)
    assert not re.search(r"https?://|url\(|@import|//cdn", text)
    assert {"link", "img", "iframe"}.isdisjoint(tag for tag, _ in page.elements)
    assert not any("src" in attrs for _, attrs in page.elements)


@pytest.mark.parametrize("make", SAMPLES)
def test_the_same_record_gives_the_same_bytes(make: Callable[[], RunRecord]) -> None:
    assert render(make()) == render(make())


@pytest.mark.parametrize("make", SAMPLES)
def test_landmarks_and_headings_are_in_order(make: Callable[[], RunRecord]) -> None:
    page = read(render(make()))
    assert [page.count(tag) for tag in ("header", "main", "nav", "h1", "title")][:4] == [1, 1, 1, 1]
    levels = page.headings
    assert levels[0] == 1
    # A level may be left by any number of steps, but entered only one (or, to h4 inside a finding, two) at a time.
    assert all(after <= before + 2 for before, after in pairwise(levels))
    regions = [attrs for _, attrs in page.elements if attrs.get("role") == "region"]
    assert all(attrs.get("aria-label") for attrs in regions)


def test_the_first_screen_says_who_did_what_and_why_to_believe_it() -> None:
    text = read(render(sample.single())).text
    for words in (
        "FAIL: RQ 3.0.0 stranded 3 of 612 acknowledged jobs when a worker tree was killed",
        "limit 0 · n 612",
        "Workers killed, the worst of six scenarios",
        "Faults fired, of planned 8 of 9",
        "Finding F1: job w-0417 was acknowledged and never ran to its end",
        "stormproof run --target rq --scenario workers_killed --seed 7",
        "stormproof check out/20261124-091402-7 --explain w-0421",
    ):
        assert words in text


def test_each_part_of_a_campaign_has_a_section_and_says_whether_it_ended_as_it_should() -> None:
    record = sample.campaign()
    page = read(render(record))
    assert {"part-1", "part-2", "part-3"} <= set(page.ids)
    assert page.text.count("it did.") == 3
    assert "not as it should be" not in page.text
    surprised = replace(
        record, parts=(*record.parts[:1], replace(record.parts[1], caught_by="overlap"), record.parts[2])
    )
    assert "it did not." in read(render(surprised)).text


def test_every_finding_is_shown_with_its_evidence() -> None:
    text = read(render(sample.single())).text
    assert text.count("Every job that doesn’t execute successfully is stored here") >= 2
    assert "recovery took more than 15.1 s after kill tree" in text
    assert "It is not held against RQ 3.0.0 as a bug." in text
    assert "Canary: 0 of 204 writes missing" in text


def test_a_page_without_findings_says_so_and_how_to_run_it_again() -> None:
    text = read(render(sample.passed())).text
    assert "No checker found anything wrong" in text
    assert "stormproof run --target rq --seed 7" in text


def test_hostile_words_stay_words() -> None:
    page = read(render(hostile()))
    assert page.count("script") == 1
    assert page.count("img") == 0
    assert page.count("style") == 1
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7*7 }}" in page.text
    assert len(set(page.ids)) == len(page.ids)


def test_missing_data_leaves_gaps_and_no_crash() -> None:
    record = sample.single()
    bare = replace(
        sample.steady(),
        verdict=Verdict.NOT_APPLICABLE,
        why=("the target has no delay",),
        series=None,
        marks=None,
        job_time=None,
        checkers=(),
        metrics=(),
        objectives=(),
        situations=(),
    )
    part = replace(record.parts[0], scenarios=(bare,), objectives=(), metrics=(), promise=(), verdict=bare.verdict)
    text = read(render(replace(record, parts=(part,), planted_bugs=None, ledger=None, note=""))).text
    assert "No history to draw." in text
    assert "the target has no delay" in text


def test_a_verdict_has_a_shape_and_a_word_beside_its_colour() -> None:
    text = render(sample.single())
    for verdict, icon in (("fail", "fail"), ("pass", "pass"), ("inconclusive", "inc"), ("not judged", "na")):
        assert re.search(rf'<use href="#i-{icon}"/></svg>{verdict}</span>', text)


def test_a_finding_without_a_life_shows_the_reasons_of_its_scenario() -> None:
    record = sample.single()
    run = replace(sample.workers_killed(), findings=(sample.slow_recovery(),), why=("the first reason", "the second"))
    page = read(render(replace(record, parts=(replace(record.parts[0], scenarios=(run,)),))))
    assert page.text.index("the second") < page.text.index("SLA compliance", page.text.index("Finding F2"))


def test_findings_of_one_kind_are_folded_under_the_first() -> None:
    run = sample.workers_killed()
    alike = tuple(replace(run.findings[0], id=f"F{index}", says=f"it is number {index}") for index in (1, 2, 3))
    other = replace(run.findings[0], id="F4", anomaly="ghost run")
    part = replace(sample.rq_part(), scenarios=(replace(run, findings=(*alike, other)),))
    text = render(replace(sample.single(), parts=(part,)))
    page = read(text)
    assert {f"p1-F{index}" for index in (1, 2, 3, 4)} <= set(page.ids)
    whole = text[text.index('id="p1-F1"') : text.index('id="p1-F4"')]
    assert whole.index('id="p1-F2"') < whole.index('id="p1-F3"') < whole.rindex("</details>")


def test_the_moments_are_shown_with_how_often_and_where() -> None:
    text = render(sample.single())
    for words in ("Moments met between them", "Redis disconnects, Latency", "does not end within a scenario"):
        assert words in text.replace("&#39;", "'")
    assert "Needed moments met" in text
