from collections import Counter
from dataclasses import replace
from xml.etree import ElementTree as ET

from reports.junit import render
from reports.run_record import RunRecord
from reports.verdict import Verdict
from tests.reports import sample


def read(record: RunRecord) -> ET.Element:
    return ET.fromstring(render(record).encode())  # noqa: S314  # ours


def case(root: ET.Element, suite: str, name: str) -> ET.Element:
    return next(each for each in root.iterfind(f"testsuite[@name='{suite}']/testcase") if each.get("name") == name)


def test_every_checker_objective_fault_and_situation_is_a_case() -> None:
    part = sample.rq_part()
    groups = Counter(str(each.get("classname")).rsplit(": ", 1)[1] for each in read(sample.single()).iter("testcase"))
    assert groups == {
        "policy": len(part.objectives),
        "scenario": len(part.scenarios),
        "checker": sum(len(run.checkers) for run in part.scenarios),
        "objective": sum(len(run.objectives) for run in part.scenarios),
        "fault fired": sum(len(run.faults) for run in part.scenarios),
        "sometimes": len(part.sometimes),
        "situation": sum(len(run.situations) for run in part.scenarios),
    }


def test_a_failure_tells_the_finding_its_evidence_and_how_to_replay_it() -> None:
    failure = case(read(sample.single()), "RQ 3.0.0: workers_killed", "lost").find("failure")
    assert failure is not None
    assert failure.get("message") == "fail: job w-0417 was acknowledged and never ran to its end"
    for words in (
        "Every job that doesn’t execute",
        "17.003 s  harness  SIGKILL",
        "More like it: w-0421, w-0424",
        "Replay: ",
    ):
        assert words in str(failure.text)


def test_inconclusive_is_an_error_and_what_was_not_judged_is_skipped_with_its_reason() -> None:
    root = read(sample.single())
    error = case(root, "RQ 3.0.0: redis_restart", "redis restart").find("error")
    assert error is not None
    assert error.get("message") == "inconclusive: no client was seen to be cut"
    skipped = case(root, "RQ 3.0.0: policy", "Availability outside faults").find("skipped")
    assert skipped is not None
    assert str(skipped.get("message")).endswith("needs n ≥ 6,000")
    assert case(root, "RQ 3.0.0: steady", "dead_letters").find("skipped") is not None


def test_totals_count_what_is_there() -> None:
    root = read(sample.single())
    for tag, attribute in (("testcase", "tests"), ("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(str(root.get(attribute))) == len(list(root.iter(tag)))


def test_a_passing_campaign_has_neither_failures_nor_errors() -> None:
    for record in (sample.passed(), sample.campaign()):
        root = read(record)
        assert (root.get("failures"), root.get("errors")) == ("0", "0")


def test_a_planted_bug_that_was_not_caught_is_a_failure() -> None:
    record = sample.campaign()
    missed = replace(record.parts[1], caught_by="overlap")
    root = read(replace(record, parts=(record.parts[0], missed, record.parts[2])))
    assert root.get("failures") == "1"


def test_a_verdict_that_no_other_case_shows_is_shown_by_the_scenarios_own() -> None:
    for verdict, tag in ((Verdict.FAIL, "failure"), (Verdict.INCONCLUSIVE, "error")):
        run = replace(sample.steady(), verdict=verdict, why=("the sky fell",))
        part = replace(sample.reference_part(), scenarios=(run,))
        root = read(replace(sample.passed(), parts=(part,)))
        (found,) = root.iter(tag)
        assert found.get("message") == f"{verdict}: the sky fell"


def test_a_checker_that_crashed_is_an_error_with_its_text() -> None:
    run = sample.steady()
    crashed = replace(run.checkers[0], verdict=Verdict.INCONCLUSIVE, error="ZeroDivisionError: x")
    part = replace(sample.reference_part(), scenarios=(replace(run, checkers=(crashed,)),))
    (error,) = read(replace(sample.passed(), parts=(part,))).iter("error")
    assert error.get("message") == "inconclusive: crashed: ZeroDivisionError: x"


def test_what_xml_can_not_hold_is_replaced() -> None:
    run = replace(sample.steady(), name="a\x00b\x1b]]>&<", verdict=Verdict.FAIL, why=("\uffff",))
    part = replace(sample.reference_part(), scenarios=(run,))
    root = read(replace(sample.passed(), parts=(part,)))
    assert "reference 0.1.0: a�b�]]>&<" in {suite.get("name") for suite in root}


def test_the_same_record_gives_the_same_bytes() -> None:
    assert render(sample.campaign()) == render(sample.campaign())


def test_a_needed_moment_that_was_never_met_is_an_error_and_one_left_to_chance_is_a_skip() -> None:
    never = replace(sample.MOMENTS[1], times=0, scenarios=())
    record = sample.single()
    part = replace(record.parts[0], sometimes=(*sample.MOMENTS[:1], never, *sample.MOMENTS[2:]))
    root = read(replace(record, parts=(part,)))
    suite = "RQ 3.0.0: sometimes"
    error = case(root, suite, "claims in an outage").find("error")
    assert error is not None
    assert error.get("message") == "inconclusive: never met"
    assert case(root, suite, "retries cut off").find("skipped") is not None
    assert case(root, suite, "zombies reported late").find("skipped") is not None


def test_moments_that_are_not_judged_are_no_cases() -> None:
    alone = tuple(replace(row, judged=False) for row in sample.MOMENTS)
    record = replace(sample.single(), parts=(replace(sample.rq_part(), sometimes=alone),))
    assert not [suite for suite in read(record).iter("testsuite") if "sometimes" in str(suite.get("name"))]
