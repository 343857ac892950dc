from dataclasses import replace

import pytest

from reports.markdown import FINDINGS_MAX, escape, render
from tests.reports import sample


def test_the_summary_leads_with_the_sentence_and_lists_the_worst_first() -> None:
    lines = render(sample.single()).splitlines()
    assert lines[0] == "# ✗ FAIL: RQ 3.0.0 stranded 3 of 612 acknowledged jobs when a worker tree was killed"
    rows = [line for line in lines if line.startswith("| ")]
    assert rows[1].startswith("| ✗ fail | Workers killed | lost: 3 findings (stranded)")
    assert rows[2].startswith("| ? inconclusive | Redis restart | fault did not fire")


def test_findings_come_with_their_promise_their_life_and_their_replay_command() -> None:
    text = render(sample.single())
    assert "**F1, broken promise**: job w-0417 was acknowledged and never ran to its end" in text
    assert "- 17.003 s, harness: SIGKILL to worker-2" in text
    assert "Replay: `stormproof run --target rq --scenario workers_killed --seed 7`" in text


def test_a_part_that_did_not_end_as_it_should_comes_first_and_says_so() -> None:
    record = sample.campaign()
    missed = replace(record.parts[1], caught_by="overlap")
    text = render(replace(record, parts=(record.parts[0], missed, record.parts[2])))
    assert text.index("planted bug: accepts") < text.index("reference 0.1.0, as declared")
    assert "This is not as it should be (fail, found by overlap)." in text
    assert "not as it should be" not in render(record)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("<b>", r"\<b\>"),
        ("a\n# b", r"a \# b"),
        ("@all ![x](y)", r"\@all \!\[x\](y)"),
        ("`x`", r"\`x\`"),
    ],
)
def test_hostile_words_stay_words_on_one_line(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_a_command_with_back_quotes_stays_one_piece_of_code() -> None:
    record = replace(sample.passed(), command="stormproof run `rm` ``")
    assert "``` stormproof run `rm` `` ```" in render(record)


def test_many_findings_are_cut_and_counted() -> None:
    run = sample.workers_killed()
    many = tuple(replace(run.findings[0], id=f"F{index}", anomaly=f"kind {index}") for index in range(FINDINGS_MAX + 2))
    part = replace(sample.rq_part(), scenarios=(replace(run, findings=many),))
    text = render(replace(sample.single(), parts=(part,)))
    assert text.count("broken promise**") == FINDINGS_MAX
    assert "2 more kinds of finding are in the report." in text


def test_findings_of_one_kind_are_told_once() -> None:
    run = sample.workers_killed()
    alike = tuple(replace(run.findings[0], id=f"F{index}") for index in range(3))
    part = replace(sample.rq_part(), scenarios=(replace(run, findings=alike),))
    text = render(replace(sample.single(), parts=(part,)))
    assert text.count("broken promise**") == 1
    assert "more kinds" not in text


def test_the_moments_that_the_scenarios_met_are_a_table() -> None:
    text = render(sample.single())
    assert "| ✓ pass | claims in an outage, needed | 3 | Redis disconnects, Latency |" in text
    assert "| – not judged | retries cut off | 0 |  |" in text


def test_what_a_single_scenario_did_not_meet_is_left_out() -> None:
    alone = tuple(replace(row, judged=False) for row in sample.MOMENTS)
    text = render(replace(sample.single(), parts=(replace(sample.rq_part(), sometimes=alone),)))
    assert "claims in an outage" in text
    assert "retries cut off" not in text
