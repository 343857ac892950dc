"""One measurement of judging in a process of its own: ``python -m tests.bench.judging small|parquet|ledgers|day PATH``.

Prints what the checkers examined and found, the seconds from the first read to the last verdict, and the peak memory.
"""

import json
import sys
import time
from pathlib import Path
from random import Random

from stormproof_target.spec import fails

from scenarios.cohorts import judge_by_cohorts
from scenarios.history import History, read_history
from scenarios.judge import Judgement, judge
from tests.scenarios.histories import PROMISE, SCENARIO, Lines, acked, lines, run, state

REPEATS = 200


def measured(kind: str, path: Path) -> dict[str, object]:
    """Judge once (a small history: on average of many)."""
    told = small(SMALL_JOBS) if kind == "small" else []
    begin_s, cpu_s = time.perf_counter(), time.process_time()
    if kind == "day":
        judgement = judge_by_cohorts(path, PROMISE, SCENARIO)
    elif kind == "small":
        for _ in range(REPEATS):
            judgement = judge(History.from_events(told), PROMISE, SCENARIO)
    else:
        history = History.read_parquet(path) if kind == "parquet" else read_history(path)
        judgement = judge(history, PROMISE, SCENARIO)
    repeats = REPEATS if kind == "small" else 1
    return {
        "seconds": (time.perf_counter() - begin_s) / repeats,
        "cpu_s": (time.process_time() - cpu_s) / repeats,
        "rss_gib": peak_kib() / 2**20,
        "events": len(told),
        **said(judgement),
    }


def peak_kib() -> int:
    """Most memory that was resident since this program began; ``ru_maxrss`` would include the parent's, before exec."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def said(judgement: Judgement) -> dict[str, object]:
    """What a run must say, however fast."""
    return {
        "examined": {each.name: each.judged.examined for each in judgement.checkers},
        "findings": sum(each.judged.total for each in judgement.checkers),
        "errors": [each.error for each in judgement.checkers if each.error],
    }


SMALL_JOBS = 56


def small(jobs: int, seed: int = 1) -> Lines:
    """About 300 events: every seventh job fails once."""
    chance, told = Random(seed), []
    for number in range(jobs):
        name, at = f"j{number}", number * 0.1
        end = at + 0.02 + chance.random() / 20
        if number % 7:
            told += [acked(name, at), run(name, at + 0.01, end)]
        else:
            told += [acked(name, at, spec=fails(times=1)), run(name, at + 0.01, end, "error")]
            told += [run(name, end + 0.1, end + 0.2)]
        told += [state(name, "finished")]
    return lines(*told)


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], Path(sys.argv[2]))))  # noqa: T201  # read by the test
