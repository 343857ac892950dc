"""One scenario with its Redis in a container: the same faults, the same evidence, the same verdict."""

from pathlib import Path

import pytest

from chaos.environment.docker import ContainerRedis
from reports.verdict import Verdict
from scenarios.campaign_plan import CampaignPlan, PartPlan
from scenarios.catalog import CATALOG
from scenarios.progress import Quiet
from scenarios.suite import run_campaign
from scenarios.target_program import resolve

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine")]


def test_a_redis_in_a_container_is_killed_and_comes_back_and_no_job_is_lost(tmp_path: Path) -> None:
    part = PartPlan(resolve("reference"), [CATALOG["redis_restart"]])
    result = run_campaign(CampaignPlan([part], 9, tmp_path, "", make_store=ContainerRedis), Quiet())
    (run,) = result.record.parts[0].scenarios
    assert run.verdict is Verdict.PASS, run.why
    assert [fault.fired for fault in run.faults] == [True]
    assert any("redis" in server.binary for server in result.record.servers)
