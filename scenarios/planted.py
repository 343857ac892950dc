"""Planted bugs: variants of the reference with one bug each, and the checker that must catch it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scenarios.campaign_plan import FAIL_EXPECTED, PartPlan
from scenarios.catalog import CATALOG
from scenarios.target_program import resolve

FOLDER: Final = Path(__file__).resolve().parent.parent / "tests" / "planted"


@dataclass(frozen=True, slots=True)
class PlantedBug:
    """``title`` says what is wrong; the checker ``caught_by`` must find it, in ``scenario`` if not elsewhere before.

    ``after_freeze``: it was written when the checkers were finished, so none of them was made for it.
    """

    name: str
    title: str
    scenario: str
    caught_by: str
    after_freeze: bool = False

    @property
    def adapter(self) -> Path:
        """Its program, as seen from here where that is shorter: it stands in the command that replays a run."""
        path = FOLDER / f"{self.name}.py"
        return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


PLANTED: Final = {
    bug.name: bug
    for bug in (
        # An enqueue, and who is told what of it
        PlantedBug("accept_and_drop", "every fiftieth enqueue is accepted and dropped", "steady", "lost"),
        PlantedBug("enqueue_half_done", "what a full Redis refuses is acknowledged", "redis_refuses", "lost"),
        PlantedBug(
            "enqueue_again_as_another", "an enqueue is sent again under another id", "lost_replies", "duplicates"
        ),
        PlantedBug("always_unknown", "no enqueue is ever acknowledged", "steady", "unknown"),
        PlantedBug("rejected_but_stored", "every fiftieth enqueue is rejected and run", "steady", "phantom"),
        PlantedBug("arguments_corrupted", "a large argument loses a character", "payloads", "phantom"),
        # Claims and leases
        PlantedBug("ack_before_run", "a job is acknowledged before it is run", "workers_killed", "lost"),
        PlantedBug("lease_forgotten", "a claim leases the job to nobody", "workers_killed", "lost"),
        PlantedBug("lease_without_end", "a lease never ends", "workers_killed", "lost"),
        PlantedBug("lease_too_short", "a lease is a tenth of what it should be", "poison", "duplicates"),
        PlantedBug(
            "lease_needs_the_gil", "a lease is not renewed while the body holds the GIL", "payloads", "timeouts"
        ),
        PlantedBug("claim_reply_stranded", "a claim whose reply is lost strands its job", "lost_replies", "lost"),
        PlantedBug("heartbeat_revives", "a heartbeat revives a lease that is over", "latency", "duplicates"),
        PlantedBug("sweep_drops", "a lease that ended is taken back to nowhere", "workers_killed", "lost"),
        PlantedBug("sweep_enqueues_twice", "two sweeps give a job back twice", "workers_killed", "duplicates"),
        PlantedBug("sweeper_lock_kept", "the sweeper's lock outlives the sweeper", "workers_killed", "lost"),
        PlantedBug(
            "reconnect_sweeps_the_living",
            "a worker that reconnects takes the others for dead",
            "redis_disconnects",
            "duplicates",
        ),
        # Outcomes
        PlantedBug("done_but_leased", "a job that is done stays leased", "steady", "duplicates"),
        PlantedBug(
            "lost_reply_fails_done",
            "a completion whose reply is lost counts as a failure",
            "lost_replies",
            "duplicates",
        ),
        PlantedBug("no_fence", "a zombie completes a job that is somebody else's", "workers_killed", "results"),
        PlantedBug("zombie_result_kept", "a zombie's result is kept", "workers_killed", "results"),
        PlantedBug("result_lost_when_large", "a large result is dropped", "payloads", "results"),
        PlantedBug("finished_flips_to_failed", "a finished job turns into a dead letter", "rolling_deploy", "states"),
        # Failures, delays, dead letters
        PlantedBug("retry_uncounted", "a failure is not counted", "poison", "attempts"),
        PlantedBug("one_attempt_too_many", "one attempt more than the policy allows", "poison", "attempts"),
        PlantedBug("backoff_off_by_one", "each backoff is that of the next failure", "retries", "backoff"),
        PlantedBug("backoff_uncapped", "backoff without its cap", "retries", "backoff"),
        PlantedBug("backoff_without_jitter", "backoff without its jitter", "retries", "backoff"),
        PlantedBug("delayed_early", "delayed jobs start half a second early", "delayed", "early"),
        PlantedBug("delayed_never_promoted", "delayed jobs never start", "steady", "lost"),
        PlantedBug("delays_in_memory", "delayed jobs are kept in a worker's memory", "delayed", "lost"),
        PlantedBug("timeout_ignored", "no timeout is enforced", "poison", "timeouts"),
        PlantedBug("timeout_early", "bodies are ended after a tenth of their time", "payloads", "timeouts"),
        PlantedBug("poison_loops", "a job that kills its slot is given back for ever", "poison", "attempts"),
        PlantedBug(
            "failures_forgotten",
            "a job that is given back forgets its failures",
            "poison",
            "attempts",
            after_freeze=True,
        ),
        PlantedBug("dead_letter_dropped", "a job that failed for good is forgotten", "poison", "dead_letters"),
        PlantedBug("dead_letter_early", "a job is buried one attempt early", "poison", "dead_letters"),
        PlantedBug("dead_letter_doubled", "a dead letter is finished, too", "poison", "states"),
        PlantedBug("dead_letter_without_reason", "a dead letter of a timeout has no reason", "poison", "dead_letters"),
        PlantedBug("dead_letter_wrong_reason", "a job that failed is said to have crashed", "poison", "dead_letters"),
        # Limits
        PlantedBug("one_lease_too_many", "one lease more than the limit is given", "concurrency_limit", "concurrency"),
        PlantedBug(
            "concurrency_per_worker", "each worker has the limit for itself", "concurrency_limit", "concurrency"
        ),
        PlantedBug("concurrency_slot_leaked", "a killed slot counts as running for ever", "five_queues", "lost"),
        PlantedBug("one_grant_too_many", "one job more than the rate is granted", "rate_limit", "rate"),
        PlantedBug("rate_fixed_window", "a rate is counted by the clock's windows", "rate_limit", "rate"),
        # Operators, deployments
        PlantedBug("pause_ignored", "a paused queue goes on", "pause_resume", "control"),
        PlantedBug("cancel_ignored", "a cancelled job is started", "cancelled", "control"),
        PlantedBug("cancelled_and_finished", "a job is cancelled and finished", "cancelled", "states"),
        PlantedBug("stop_abandons", "a worker that is told to stop abandons its jobs", "rolling_deploy", "lost"),
        # Outages, and what is left behind
        PlantedBug("deaf_after_reconnect", "a worker that reconnects consumes nothing", "redis_disconnects", "lost"),
        PlantedBug("scripts_forgotten", "no way back after SCRIPT FLUSH", "redis_refuses", "lost"),
        PlantedBug("hot_loop_in_outage", "a hot loop while Redis is away", "redis_disconnects", "leaks"),
        PlantedBug("descriptors_leaked", "each run leaks a descriptor", "steady", "leaks"),
        PlantedBug("keys_leaked", "each claim leaves a key", "steady", "residue"),
        PlantedBug("records_leaked", "no finished job's record is ever forgotten", "steady", "residue"),
        # Written when the checkers were finished: none of them was made for one of these
        PlantedBug(
            "result_of_the_former_job",
            "a job is stored with what a former job of its slot returned",
            "steady",
            "results",
            after_freeze=True,
        ),
        PlantedBug(
            "result_ttl_in_ms",
            "a result is kept for milliseconds instead of seconds",
            "steady",
            "results",
            after_freeze=True,
        ),
        PlantedBug(
            "record_ttl_in_us", "a record expires in fifty thousand years", "steady", "residue", after_freeze=True
        ),
        PlantedBug(
            "alarm_of_the_former_job",
            "a body is ended by the alarm of a former one",
            "steady",
            "timeouts",
            after_freeze=True,
        ),
        PlantedBug(
            "memory_leaked",
            "each run leaves a buffer of 256 KiB in its slot",
            "steady",
            "leaks",
            after_freeze=True,
        ),
        PlantedBug(
            "heartbeat_one_a_queue",
            "a heartbeat renews one job of each queue",
            "payloads",
            "timeouts",
            after_freeze=True,
        ),
        PlantedBug(
            "slot_dead_requeues_done",
            "a slot that ends gives back what it has done",
            "rolling_deploy",
            "duplicates",
            after_freeze=True,
        ),
        PlantedBug(
            "backoff_in_ms",
            "a retry's delay is a thousandth of what it should be",
            "retries",
            "backoff",
            after_freeze=True,
        ),
        PlantedBug(
            "jitter_drawn_once",
            "each slot draws its jitter once",
            "retries",
            "backoff",
            after_freeze=True,
        ),
        PlantedBug(
            "attempt_counted_in_the_slot",
            "a body is told the attempts that its slot has seen",
            "retries",
            "attempts",
            after_freeze=True,
        ),
        PlantedBug(
            "rate_ring_expires",
            "a rate forgets its grants at once",
            "rate_limit",
            "rate",
            after_freeze=True,
        ),
        PlantedBug(
            "sweep_takes_the_first",
            "of several leases that ended only one job is given back",
            "workers_killed",
            "lost",
            after_freeze=True,
        ),
        PlantedBug(
            "fence_restarts",
            "fences grow for each slot alone",
            "workers_killed",
            "overlap",
            after_freeze=True,
        ),
        PlantedBug(
            "cancel_forgotten_on_the_way_back",
            "a job that is given back forgets that it is to be cancelled",
            "cancelled",
            "control",
            after_freeze=True,
        ),
        PlantedBug(
            "promote_drops_when_paused",
            "a delayed job that is due during a pause is dropped",
            "pause_resume",
            "lost",
            after_freeze=True,
        ),
        PlantedBug("pause_expires", "a pause ends by itself", "pause_resume", "control", after_freeze=True),
        PlantedBug(
            "promoted_twice", "a delayed job is promoted again and again", "delayed", "duplicates", after_freeze=True
        ),
        PlantedBug(
            "crashes_counted_together",
            "crashes are counted for the queue instead of the job",
            "poison",
            "dead_letters",
            after_freeze=True,
        ),
        PlantedBug(
            "limit_blocks_all",
            "a queue at its limit keeps all the others waiting",
            "slow_queue",
            "late",
            after_freeze=True,
        ),
        PlantedBug(
            "concurrency_counts_the_mirror",
            "a limit counts what heartbeats have seen",
            "concurrency_limit",
            "concurrency",
            after_freeze=True,
        ),
        PlantedBug(
            "doubt_acknowledged",
            "an enqueue without an answer is acknowledged",
            "redis_disconnects",
            "lost",
            after_freeze=True,
        ),
        PlantedBug(
            "outage_remembered",
            "a producer that found Redis away refuses for ever",
            "redis_disconnects",
            "unknown",
            after_freeze=True,
        ),
        PlantedBug(
            "hold_in_ms",
            "after an outage leases end before they can be renewed",
            "redis_refuses",
            "duplicates",
            after_freeze=True,
        ),
    )
}


def part_of(bug: PlantedBug) -> PartPlan:
    """The part of a campaign in which the bug must be caught."""
    return PartPlan(
        resolve(str(bug.adapter)),
        [CATALOG[bug.scenario]],
        kind="planted bug",
        expected=FAIL_EXPECTED,
        title=f"planted: {bug.title}",
        caught_by=bug.caught_by,
    )
