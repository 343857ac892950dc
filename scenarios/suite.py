"""A campaign: its parts, and what they leave in ``out/<campaign id>/``."""

import os
import platform
import secrets
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

from chaos.binaries import find_toxiproxy
from chaos.campaign import Campaign
from chaos.errors import HarnessError
from chaos.proxy.toxiproxy import ToxiproxyServer
from reports import run_record as rr
from reports.objectives import Policy, load_policy
from reports.verdict import Verdict, worst
from reports.write import write_all
from scenarios.campaign_plan import CampaignPlan
from scenarios.exit_codes import Exit, exit_of
from scenarios.load_source import LoadSource
from scenarios.part import Bench, run_part
from scenarios.progress import Progress
from scenarios.runner import Cancelled

UNFINISHED: Final = "unfinished.txt"
"""In a campaign's folder until its record is written, also if the harness is killed: what is there has no verdict."""
AT_ONCE: Final = 2  # parts: more would be slow for want of processors, not of the queue


@dataclass(frozen=True, slots=True)
class CampaignResult:
    """The record, and the folder that holds it."""

    record: rr.RunRecord
    directory: Path

    @property
    def verdict(self) -> Verdict:
        """The worst of the parts."""
        return worst(part.verdict for part in self.record.parts)

    @property
    def errors(self) -> tuple[str, ...]:
        """What of the harness or its environment failed, a sentence a scenario that was not judged for it."""
        runs = [run for part in self.record.parts for run in part.scenarios]
        return tuple(f"{run.title}: {run.error}" for run in runs if run.error)

    def exit_code(self, verdict: Verdict) -> Exit:
        """That of ``verdict``; 4 if the harness failed in a scenario, unless a queue failed: a finding stands."""
        return Exit.HARNESS if self.errors and self.record.verdict is not Verdict.FAIL else exit_of(verdict)


def run_campaign(plan: CampaignPlan, progress: Progress, load: LoadSource | None = None) -> CampaignResult:
    """Run it, write ``run.json`` and reports, point ``out/latest`` at it. Raises ``HarnessError``, ``TargetError``.

    A scenario in which the harness fails costs no other one its verdict: see ``CampaignResult.errors``.
    """
    policy = load_policy(plan.policy)  # before anything is started: a wrong policy costs nothing
    started = datetime.now(UTC)
    directory = _new_directory(plan.out, started)
    identity = directory.name
    with (
        Campaign(identity) as campaign,
        ToxiproxyServer(campaign, find_toxiproxy(), directory / "toxiproxy.log") as toxiproxy,
    ):
        bench = Bench(plan, campaign, toxiproxy, directory, progress, load)
        parts = (
            _side_by_side(bench, policy)
            if plan.side_by_side
            else tuple(run_part(bench, part, policy) for part in plan.parts)
        )
        servers = (
            *bench.servers,
            rr.Server(name=toxiproxy.binary.product, binary=toxiproxy.binary.name, version=toxiproxy.binary.version),
        )
    ended = datetime.now(UTC)
    whole = rr.RunRecord(
        campaign=identity,
        seed=plan.seed,
        started=started.isoformat(timespec="seconds"),
        ended=ended.isoformat(timespec="seconds"),
        duration_s=(ended - started).total_seconds(),
        command=plan.command,
        stormproof_version=version("stormproof"),
        host=rr.Host(
            cpus=os.cpu_count() or 1,
            kernel=platform.release(),
            memory_bytes=psutil.virtual_memory().total,
            python=platform.python_version(),
        ),
        servers=servers,
        canary=rr.Share(n=bench.canary_lost, of=bench.canary_written),
        host_stall_s=bench.host_stall_s,
        ledger=rr.LedgerHealth(lines=bench.lines, torn=bench.torn, missing=0),  # a gap would have been an error
        parts=parts,
        planted_bugs=_planted(parts),
    )
    (directory / "run.json").write_text(rr.dump(whole), encoding="utf-8")
    write_all(directory)
    (directory / UNFINISHED).unlink()
    _point_latest(plan.out, directory)
    return CampaignResult(whole, directory)


def _side_by_side(bench: Bench, policy: Policy) -> tuple[rr.Part, ...]:
    """Two parts at a time, a thread each; what goes wrong in one, or an interruption, ends them all."""
    with ThreadPoolExecutor(AT_ONCE, "part") as threads:
        futures = [threads.submit(run_part, bench, part, policy) for part in bench.plan.parts]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            if not all(future.done() for future in futures):
                bench.cancelled.set()
        failed = [error for future in futures if (error := future.exception()) and not isinstance(error, Cancelled)]
        if failed:
            raise failed[0]
        return tuple(future.result() for future in futures)


def _planted(parts: Sequence[rr.Part]) -> rr.Share | None:
    planted = [part for part in parts if part.caught_by]
    return rr.Share(n=sum(part.as_expected for part in planted), of=len(planted)) if planted else None


def _new_directory(out: Path, started: datetime) -> Path:
    """``out/20261124-131400-5f3a``: its name is the campaign's id, by which its processes are found and ended.

    So no other campaign of this machine may have it, in whatever folder it writes.
    """
    directory = out / f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    try:
        directory.mkdir(parents=True)
        (directory / UNFINISHED).write_text(
            f"Campaign {directory.name} has not come to its end: it runs, was interrupted, or failed.\n"
            "What is in this folder was not judged.\n"
        )
    except OSError as error:
        raise HarnessError(f"{directory}: {error.strerror}; choose another folder by --out") from error
    return directory


def _point_latest(out: Path, directory: Path) -> None:
    """``out/latest`` is moved in one step, so that it always leads somewhere."""
    fresh = out / f".latest-{directory.name}"
    fresh.symlink_to(directory.name)
    fresh.replace(out / "latest")
