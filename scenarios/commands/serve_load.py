"""``stormproof serve-load``: the runner for a load that somebody else sends (Locust).

It prints ``{"ready": true, "producers": [...], "ledger": ..., "t0_ns": ...}`` when the load may begin, waits for
``{"load_ended": true, "planned": N}`` or the end of its standard input, judges, and prints the verdict, and nothing
else. Fewer enqueues than the N arrivals that fell due are no test of the queue: exit 4.
"""

import argparse
import json
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stormproof_target import Setup

from chaos.errors import HarnessError
from chaos.faults.registry import freeze, kill, latency, redis_down, redis_restart, reset_peer
from chaos.planned import Planned
from loadtests.arrivals import constant
from loadtests.load_run import JOBS
from loadtests.producer_client import ProducerClient
from reports.objectives import DEFAULT_POLICY
from scenarios.campaign_plan import CampaignPlan, PartPlan
from scenarios.options import add_out, add_seed, add_target, seed_of
from scenarios.progress import PlainProgress
from scenarios.scenario import Scenario
from scenarios.suite import run_campaign
from scenarios.target_program import resolve

if TYPE_CHECKING:
    from argparse import _SubParsersAction

RATE_S: Final = 100.0


def choices(for_s: float) -> dict[str, tuple[Planned, ...]]:
    """The faults that can be chosen for a load of ``for_s`` seconds: each strikes after two fifths of it."""
    at_s = 0.4 * for_s
    return {
        "none": (),
        "redis_down": (redis_down(for_s=1).at(s=at_s),),
        "redis_restart": (redis_restart(down_s=1).at(s=at_s),),
        "reset_peer": (reset_peer(for_s=0.5).at(s=at_s),),
        "latency": (latency(latency_ms=80, jitter_ms=40, for_s=2).at(s=at_s),),
        "freeze": (freeze(for_s=3).at(s=at_s),),
        "kill": (kill("tree").at(s=at_s),),
    }


class ExternalLoad:
    """A load that comes through the producer's socket from another process."""

    lead_s = 1.0  # it has to connect first

    def __init__(self, seed: int, sustainable_rate_s: float | None) -> None:
        """Both are told to whoever sends."""
        self._seed, self._rate_s = seed, sustainable_rate_s
        self._over = threading.Event()
        self._planned: int | None = None

    @property
    def ended(self) -> bool:
        """We were told so."""
        return self._over.is_set()

    def begin(self, client: ProducerClient, t0_ns: int, directory: Path) -> None:
        """Tell where to send, and listen for the end."""
        ready = {
            "ready": True,
            "producers": [str(client.path)],
            "ledger": str(directory.resolve() / "ledger"),
            "t0_ns": t0_ns,
            "seed": self._seed,
            "sustainable_rate_s": self._rate_s,
        }
        _say(ready)
        threading.Thread(target=self._listen, name="load's end", daemon=True).start()

    def stop(self) -> None:
        """Nothing is ours to stop."""

    def check(self, invoked: int, acked: int) -> None:  # noqa: ARG002  # whoever sends knows what was acknowledged
        """Whoever sends has told how many arrivals fell due; fewer that were begun are another load."""
        if self._planned is None:
            raise HarnessError("whoever sent the load has ended without saying how much of it was due. Run again")
        if invoked < self._planned:
            raise HarnessError(
                f"{invoked} of {self._planned} enqueues that were due were sent: Locust has too few users, or this"
                " machine is too busy. What follows would be a test under less load; run again with more users"
            )

    def _listen(self) -> None:
        line = sys.stdin.readline()  # that tells, or the end of whoever held the other end
        with suppress(ValueError, TypeError, KeyError):
            self._planned = int(json.loads(line)["planned"])
        self._over.set()


def add_to(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Options."""
    command = commands.add_parser("serve-load", help="environment, faults and verdict for a load from outside (Locust)")
    add_target(command)
    add_out(command)
    command.add_argument(
        "--fault", default="none", choices=list(choices(1)), help="strikes after two fifths of the load"
    )
    command.add_argument(
        "--for", dest="for_s", type=float, default=30.0, metavar="S", help="the load's planned length in s"
    )
    add_seed(command)
    command.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    """Print the verdict; the exit code is its own."""
    seed = seed_of(options)
    program = resolve(options.target)
    rate_s = program.describe(Setup()).sustainable_rate_s
    scenario = Scenario(
        name="locust",
        claim="The load that Locust sends is worked off, whatever breaks.",
        stands_for="audit §14 load tests",
        load=constant(rate_s=min(RATE_S, rate_s or RATE_S), for_s=options.for_s, jobs=JOBS),
        faults=choices(options.for_s)[options.fault],
        objectives=["lost == 0", "unfinished == 0"],
    )
    plan = CampaignPlan(
        [PartPlan(program, [scenario])], seed, options.out, "locust -f loadtests/locustfile.py", DEFAULT_POLICY
    )
    result = run_campaign(plan, PlainProgress(sys.stderr), ExternalLoad(seed, rate_s))
    code = result.exit_code(result.verdict)
    _say({"verdict": str(result.verdict), "exit_code": code, "report": str(result.directory.resolve() / "report.html")})
    return code


def _say(line: dict[str, object]) -> None:
    with suppress(BrokenPipeError):  # nobody listens any more; the report is written all the same
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
