"""Targets of other people: an adapter on one screen, and one without a line of Python."""

import shutil
from pathlib import Path

import pytest
from stormproof_target import Setup

from reports.verdict import Verdict
from scenarios.campaign_plan import CampaignPlan, PartPlan
from scenarios.catalog import CATALOG
from scenarios.progress import Quiet
from scenarios.suite import run_campaign
from scenarios.target_program import resolve

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    "adapter",
    [
        "docs/examples/list_queue.py",
        pytest.param(
            "tests/targets/node_list.js",
            marks=pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node on this machine"),
        ),
    ],
)
def test_a_queue_of_two_lists_passes_without_faults(adapter: str, tmp_path: Path) -> None:
    part = PartPlan(resolve(str(ROOT / adapter)), [CATALOG["steady"]])
    result = run_campaign(CampaignPlan([part], 3, tmp_path, ""), Quiet())
    (run,) = result.record.parts[0].scenarios
    assert run.verdict is Verdict.PASS, run.why
    assert run.load.acknowledged == run.load.planned > 0
    assert run.runs >= run.load.acknowledged


def test_stock_rq_describes_itself_with_the_sentences_that_it_is_held_to() -> None:
    description = resolve("rq").describe(Setup())
    assert description.version.startswith("3.0")
    assert description.promise.sources["delivery"].where.startswith("python-rq.org/docs/")
    assert "hard_timeout" not in description.abilities
