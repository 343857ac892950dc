"""What really happened (the ledger's runs) and where each job stands (raw keys); the queue's own code is not asked."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tests.system.reference.server import Client

PLACES = {
    "rq:queue:{}": "waiting",
    "rq:scheduled:{}": "delayed",
    "rq:sp:lease:{}": "running",
    "rq:finished:{}": "finished",
    "rq:canceled:{}": "cancelled",
    "rq:sp:dead:{}": "dead",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a body, by its own process. Times in s of the monotonic clock; ``outcome`` '': it never ended."""

    job: str
    pid: int
    attempt: int
    started_s: float
    ended_s: float
    outcome: str
    args_sum: str
    result_sum: str


def runs_of(ledger: Path) -> dict[str, list[Run]]:
    """Job → its runs in the order of their starts. A torn or missing line fails: then the ledger proves nothing."""
    assert ledger.with_name(ledger.name + ".intact").exists(), "a line could not be written"
    lines: list[dict[str, object]] = [json.loads(line) for line in ledger.read_text("utf-8").splitlines()]
    written: defaultdict[str, list[int]] = defaultdict(list)
    for line in lines:
        written[str(line["w"])].append(int(str(line["seq"])))
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in written.values()), "a line is missing"
    ends = {str(line["run"]): line for line in lines if line["e"] == "ended"}
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    for line in lines:
        if line["e"] == "started":
            end = ends.get(str(line["run"]), {})
            ended_s = int(str(end.get("t", 0))) / 1e9 or float("inf")
            run = Run(
                job=str(line["job"]),
                pid=int(str(line["run"]).split("-")[1]),
                attempt=int(str(line["attempt"])),
                started_s=int(str(line["t"])) / 1e9,
                ended_s=ended_s,
                outcome=str(end.get("outcome", "")),
                args_sum=str(line["args_sum"]),
                result_sum=str(end.get("sum", "")),
            )
            runs[run.job].append(run)
    return runs


def outcomes(runs: Mapping[str, list[Run]], job: str) -> list[str]:
    return [run.outcome for run in runs.get(job, [])]


def most_at_once(runs: Iterable[Run]) -> int:
    """The greatest number of bodies that ran at one moment; of two events at one time the end counts first."""
    events = sorted(chain.from_iterable(((run.started_s, 1), (run.ended_s, -1)) for run in runs))
    now = most = 0
    for _, step in events:
        now += step
        most = max(most, now)
    return most


def places_of(redis: Client, *queues: str) -> dict[str, list[str]]:
    """Job → every place that holds it, one entry an occurrence, all keys read in one transaction."""
    keys = [(pattern.format(queue), place) for queue in queues or ("default",) for pattern, place in PLACES.items()]
    pipe = redis.pipeline(transaction=True)
    for key, place in keys:
        (pipe.lrange if place == "waiting" else pipe.zrange)(key, 0, -1)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for (_, place), jobs in zip(keys, pipe.execute(), strict=True):
        for job in jobs:
            found[job].append(place)
    return dict(found)


def is_over(redis: Client, *queues: str) -> bool:
    """Whether no job waits, is delayed or runs."""
    open_places = {"waiting", "delayed", "running"}
    return not any(open_places & set(places) for places in places_of(redis, *queues).values())


def assert_each_ran_well_once(redis: Client, ledger: Path, jobs: Iterable[str], *queues: str) -> None:
    """Of each job: exactly one run that ended well, by the ledger; finished and nowhere else, by raw keys."""
    runs, places, jobs = runs_of(ledger), places_of(redis, *queues), list(jobs)
    well = {job: outcomes(runs, job).count("ok") for job in jobs}
    assert Counter(well.values()) == {1: len(jobs)}, {job: n for job, n in well.items() if n != 1}
    astray = {job: places.get(job) for job in jobs if places.get(job) != ["finished"]}
    assert not astray, astray
    assert set(places) == set(jobs)
    assert set(runs) == set(jobs)
