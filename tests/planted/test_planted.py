"""Each planted bug is caught by the right checker, on the real thing; the unmodified reference passes beside them."""

from collections.abc import Container, Iterable
from pathlib import Path
from typing import TypeVar

import pytest

from reports.verdict import Verdict
from scenarios.campaign_plan import CampaignPlan, PartPlan
from scenarios.catalog import CATALOG
from scenarios.planted import PLANTED
from scenarios.progress import Quiet
from scenarios.suite import run_campaign
from scenarios.target_program import resolve
from tests.planted.variant import Place, planted

SEED = 11
OF_LIMITS = {"concurrency_limit", "rate_limit", "pause_resume"}
T = TypeVar("T")

pytestmark = pytest.mark.planted


def slow_ones(values: Iterable[T], slow: Container[T]) -> list[object]:
    """Parameters, of which some are left to `make test-all`."""
    return [pytest.param(each, marks=[pytest.mark.slow] if each in slow else []) for each in values]


@pytest.mark.parametrize("name", slow_ones(PLANTED, {"one_grant_too_many"}))
def test_the_bug_fails_by_its_checker(name: str, tmp_path: Path) -> None:
    bug = PLANTED[name]
    part = PartPlan(
        resolve(str(bug.adapter)),
        [CATALOG[bug.scenario]],
        kind="planted bug",
        expected=(Verdict.FAIL,),
        caught_by=bug.caught_by,
    )
    result = run_campaign(CampaignPlan([part], SEED, tmp_path, ""), Quiet())
    (ran,) = result.record.parts
    found = {finding.checker for finding in ran.scenarios[0].findings if finding.kind == "broken promise"}
    assert ran.verdict is Verdict.FAIL, ran.scenarios[0].why
    assert bug.caught_by in found, f"seed {SEED}: caught by {found}"


@pytest.mark.parametrize("name", slow_ones(sorted({bug.scenario for bug in PLANTED.values()}), OF_LIMITS))
def test_the_unmodified_reference_passes_where_the_bugs_fail(name: str, tmp_path: Path) -> None:
    part = PartPlan(resolve("reference"), [CATALOG[name]])
    result = run_campaign(CampaignPlan([part], SEED, tmp_path, ""), Quiet())
    (run,) = result.record.parts[0].scenarios
    assert run.verdict is Verdict.PASS, f"seed {SEED}: {run.why}"


def test_a_bug_whose_place_is_gone_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 places 'no such text'"):
        planted(Place("fail", "no such text", ""))
