"""The reference's file of all queues, as an operator would write it: release, settings, and what limits the queues."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from stormproof_target import Setup
from stormproof_target.ledger import LEDGER_VARIABLE

from system.reference import Settings

OF_A_WORKER = ("lease_s", "heartbeat_s", "sweep_interval_s", "poll_s", "drain_s", "slots", "preload")
OF_A_QUEUE = ("max_attempts", "timeout_s", "grace_s", "max_stalls", "max_crashes", "result_ttl_s")


def needs_config(setup: Setup) -> bool:
    """Whether something is asked for that only a file can say."""
    policy = setup.policy
    return bool(setup.release) or policy.concurrency is not None or policy.rate_n is not None


def write_config(setup: Setup, settings: Settings) -> Path:
    """Write it beside the run's ledgers, one file a release: all workers write the same."""
    path = Path(os.environ[LEDGER_VARIABLE]).parent.parent / f"stormq-{setup.release or 1}.toml"
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    fresh.write_text("\n".join(_lines(setup, settings)) + "\n", "utf-8")
    fresh.replace(path)  # in one step: another process may be reading it
    return path


def _lines(setup: Setup, settings: Settings) -> Iterator[str]:
    """Texts, numbers and lists of texts are written alike in JSON and TOML."""
    policy, backoff = setup.policy, settings.backoff
    yield f"version = {setup.release or 1}"
    yield "[worker]"
    yield from (f"{name} = {json.dumps(getattr(settings, name))}" for name in OF_A_WORKER)
    yield "[defaults]"
    yield from (f"{name} = {json.dumps(getattr(settings, name))}" for name in OF_A_QUEUE)
    yield "[defaults.backoff]"
    yield from (f"{name} = {json.dumps(getattr(backoff, name))}" for name in ("kind", "base_s", "cap_s", "jitter"))
    for queue in setup.queues:
        yield f'[queues."{queue}"]'
        yield "slots = 0"
        if policy.concurrency is not None:
            yield f"concurrency = {policy.concurrency}"
        if policy.rate_n is not None:
            yield f'rate = "{queue}"'
            yield f'[rates."{queue}"]'
            yield f"n = {policy.rate_n}"
            yield f"window_s = {policy.rate_window_s}"
