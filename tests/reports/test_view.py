import math
from dataclasses import replace

import pytest

from reports import view
from reports.evaluate import evaluate_all
from reports.objectives import parse_objectives
from reports.order import leading_finding, leading_part, runs_in_order
from reports.run_record import Metric, ObjectiveResult, Percentile, Share
from reports.tiles import Figure, tiles
from reports.verdict import Verdict
from tests.reports import sample


def test_scenarios_stand_worst_first() -> None:
    assert [run.verdict for run in runs_in_order(sample.rq_part())][:3] == [
        Verdict.FAIL,
        Verdict.INCONCLUSIVE,
        Verdict.PASS,
    ]


def test_the_part_with_the_surprise_leads_and_a_broken_promise_before_a_missed_objective() -> None:
    record = sample.campaign()
    assert leading_part(record) is record.parts[0]
    surprised = replace(record, parts=(*record.parts[:2], replace(record.parts[2], verdict=Verdict.INCONCLUSIVE)))
    assert leading_part(surprised) is surprised.parts[2]
    found = leading_finding(record.parts[2])
    assert found is not None
    assert found[1].id == "F1"


def test_the_five_tiles_show_the_worst_with_limit_n_and_place() -> None:
    lost, twice, p95, recovery, availability = tiles(sample.rq_part())
    assert (lost.verdict, lost.figures) == (Verdict.FAIL, (Figure("3", "stranded"),))
    assert lost.lines == ("limit 0 · n 612", "workers killed")
    assert twice.figures == (Figure("0", "unexplained"), Figure("54", "explained"))
    assert (p95.figures[0].number, p95.lines) == ("1.20 s", ("limit 3 s · n 612", "redis disconnects"))
    assert (recovery.verdict, recovery.figures[0].number) == (Verdict.FAIL, "> 15.1 s")
    assert availability.verdict is Verdict.NOT_JUDGED
    assert availability.lines == ("limit 99.95 % calm (outside faults)", "n 2,514, needs 6,000, all scenarios")


def test_unfinished_jobs_stand_beside_the_lost_and_not_among_them() -> None:
    run = sample.steady()
    metrics = tuple(replace(each, value=2) if each.name == "unfinished" else each for each in run.metrics)
    tile = tiles(replace(sample.rq_part(), scenarios=(replace(run, metrics=metrics),)))[0]
    assert tile.figures == (Figure("0", "lost"), Figure("2", "unfinished"))


def test_what_was_not_measured_is_no_pass() -> None:
    bare = replace(sample.steady(), metrics=(), objectives=(), checkers=())
    shown = tiles(replace(sample.rq_part(), scenarios=(bare,), objectives=(), metrics=()))
    assert Verdict.PASS not in {tile.verdict for tile in shown}


def test_reasons_to_believe_are_inconclusive_where_one_is_missing() -> None:
    record = sample.single()
    reasons = view.reasons(record, record.parts[0])
    assert [(each.verdict, each.value) for each in reasons] == [
        (Verdict.INCONCLUSIVE, "8 of 9"),
        (Verdict.INCONCLUSIVE, "5 of 6"),
        (Verdict.PASS, "0 of 1,204"),
        (Verdict.PASS, "0.04 s of 198 s"),
        (Verdict.PASS, "3 of 3"),
        (Verdict.PASS, "2 of 2"),
        (Verdict.PASS, "1 of 1"),
    ]


def test_a_canary_that_lost_a_write_and_a_host_that_stalled_are_no_reason_to_believe() -> None:
    record = replace(sample.single(), canary=Share(n=1, of=9), host_stall_s=20.0, planted_bugs=None)
    verdicts = [each.verdict for each in view.reasons(record, record.parts[0])]
    assert verdicts[2:5] == [Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.NOT_JUDGED]


def objective(comparison: str, threshold: float, measured: float | None, unit: str = "s") -> ObjectiveResult:
    return ObjectiveResult(
        text="x",
        metric="x",
        comparison=comparison,  # type: ignore[arg-type]  # one of the signs
        threshold=threshold,
        unit=unit,  # type: ignore[arg-type]  # one of the units
        measured=measured,
        n=100,
        verdict=Verdict.PASS,
        source="scenario",
    )


@pytest.mark.parametrize(
    ("result", "used"),
    [
        (objective("<", 6.0, 3.0), 50.0),
        (objective("<", 6.0, 600.0), view.OVER),
        (objective("<", 6.0, math.inf), view.OVER),
        (objective("<", 6.0, None), None),
        (objective(">", 0.99, 0.995, "ratio"), 50.0),
        (objective(">", 0.99, 1.0, "ratio"), 0.0),
        (objective("==", 0.0, 0.0, "jobs"), 0.0),
        (objective("==", 0.0, 1.0, "jobs"), view.OVER),
    ],
)
def test_the_bar_is_the_share_of_what_the_limit_allows(result: ObjectiveResult, used: float | None) -> None:
    assert view.used(result) == pytest.approx(used)


def test_latency_bars_are_logarithmic_and_short_samples_have_none() -> None:
    rows = view.latency_rows(
        Percentile(q=q, value_s=value, n_needed=60)
        for q, value in ((0.5, 0.01), (0.95, 0.1), (0.99, None), (0.999, 100.0), (1.0, math.inf))
    )
    assert [(row.name, row.value, row.bar) for row in rows] == [
        ("p50", "10 ms", 0),
        ("p95", "0.10 s", 33),
        ("p99", "n < 60", None),
        ("p99.9", "100.0 s", 100),
        ("max", "never", None),
    ]


def test_checkers_are_summed_over_scenarios_and_keep_their_worst_verdict() -> None:
    lost = next(row for row in view.checker_rows(sample.rq_part()) if row.name == "lost")
    assert (lost.examined, lost.findings, lost.verdict, lost.note) == (3672, 3, Verdict.FAIL, "Workers killed: fail")


def test_an_anchor_is_safe_whatever_the_name() -> None:
    assert view.anchor(0, 'a"><b c') == "p1-a---b-c"


def test_a_policys_metric_of_its_own_is_read_from_the_part() -> None:
    part = replace(sample.rq_part(), metrics=(Metric(name="availability_raw", value=0.5, unit="ratio", n=9),))
    assert tiles(part)[4].figures[0] == Figure("50", "% raw")


def test_a_tile_shows_limit_and_verdict_of_the_same_objective() -> None:
    """A scenario's availability was judged while the policy's was short of samples: the tile is about the former."""
    (result,) = evaluate_all(
        parse_objectives(["availability > 99%"], "x"),
        [Metric(name="availability", value=1.0, unit="ratio", n=556)],
        9.0,
    )
    part = sample.rq_part()
    steady = replace(part.scenarios[0], objectives=(*part.scenarios[0].objectives, result))
    tile = tiles(replace(part, scenarios=(steady, *part.scenarios[1:])))[4]
    assert (tile.verdict, tile.lines) == (Verdict.PASS, ("limit 99 % calm (outside faults)", "n 556, steady"))
