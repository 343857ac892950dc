"""What one invocation of the harness is to run: data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.environment import MakeStore
from chaos.environment.redis_server import native_redis
from reports import run_record as rr
from reports.objectives import DEFAULT_POLICY
from reports.verdict import Verdict
from scenarios.scenario import Scenario
from scenarios.target_program import TargetProgram

PASS_EXPECTED: Final = (Verdict.PASS,)
ANY_EXPECTED: Final = (Verdict.PASS, Verdict.FAIL)
FAIL_EXPECTED: Final = (Verdict.FAIL,)


@dataclass(frozen=True, slots=True)
class PartPlan:
    """One target and its scenarios. ``file``: the user's own that they stand in ('': the catalogue).

    ``caught_by``: the checker that must find the planted bug ('': none is planted).
    """

    program: TargetProgram
    scenarios: Sequence[Scenario]
    kind: rr.PartKind = "as declared"
    expected: tuple[Verdict, ...] = PASS_EXPECTED
    title: str = ""
    caught_by: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """What one invocation runs; ``command`` runs it again. ``side_by_side``: two parts at a time.

    ``make_store`` gives each scenario its Redis; ``own_store``: one that the harness started, and so may kill.
    """

    parts: Sequence[PartPlan]
    seed: int
    out: Path
    command: str
    policy: Path = DEFAULT_POLICY
    side_by_side: bool = False
    make_store: MakeStore = native_redis
    own_store: bool = True
