"""Targets of other people: an adapter on one screen, and one without a line of Python."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from stormproof_target import Policy, Setup

from reports.verdict import Verdict
from scenarios.campaign_plan import CampaignPlan, PartPlan
from scenarios.catalog import CATALOG
from scenarios.progress import Quiet
from scenarios.suite import run_campaign
from scenarios.target_program import resolve
from system.reference.config import Rate
from system.reference.config_file import load_config
from system.targets.reference import ReferenceTarget
from system.targets.reference_config import OF_A_QUEUE, OF_A_WORKER, needs_config, write_config

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


def test_the_reference_s_file_says_what_the_policy_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORMPROOF_LEDGER", str(tmp_path / "ledger" / "worker-1-1.jsonl"))
    policy = replace(Policy(), concurrency=3, rate_n=40, rate_window_s=5.0, max_attempts=4, timeout_s=0.5)
    setup = Setup(queues=("default", "a-b"), slots=2, policy=policy, release=7)
    assert needs_config(setup)
    assert not needs_config(Setup())
    settings = ReferenceTarget(setup)._settings  # what it gives as options where there is no file
    config = load_config(write_config(setup, settings), {})
    assert config.version == 7
    assert [*config.queues] == ["default", "a-b"]
    for name, queue in config.queues.items():
        assert (queue.concurrency, queue.rate) == (3, Rate(name, 40, 5.0))
        told = {field: getattr(queue.settings, field) for field in (*OF_A_QUEUE, "backoff")}
        assert told == {field: getattr(settings, field) for field in told}
    assert {name: getattr(config.worker, name) for name in OF_A_WORKER if name != "slots"} == {
        name: getattr(settings, name) for name in OF_A_WORKER if name != "slots"
    }
    assert config.shared_slots == 2


def test_stock_rq_describes_itself_with_the_sentences_that_it_is_held_to() -> None:
    description = resolve("rq").describe(Setup())
    assert description.version.startswith("3.0")
    assert description.promise.sources["delivery"].where.startswith("python-rq.org/docs/")
    assert "hard_timeout" not in description.abilities
