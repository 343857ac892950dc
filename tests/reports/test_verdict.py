import pytest

from reports.verdict import Verdict, worst

P, F, INC, NA, NJ = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE, Verdict.NOT_JUDGED


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ((P, F, INC), F),
        ((P, INC), INC),
        ((P, P), P),
        ((NA, P, NJ), P),
        ((NJ, INC), INC),
        ((NA, NA), NA),
        ((NA, NJ), NJ),
    ],
)
def test_the_worst_wins_and_those_without_effect_have_none(verdicts: tuple[Verdict, ...], whole: Verdict) -> None:
    assert worst(verdicts) is whole
    assert worst(reversed(verdicts)) is whole


def test_nothing_examined_is_no_pass() -> None:
    assert worst(()) is Verdict.INCONCLUSIVE
