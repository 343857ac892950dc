"""A judged world as text: what it was, what was found, and its ledger in order of time."""

from tests.lawful.judging import Judged
from tests.lawful.telling import ZERO_US

HIDDEN = frozenset({"w", "seq", "t", "e", "pid_start", "args_sum", "intended_ns", "evidence", "format", "queue"})


def printed(one: Judged) -> str:
    """For people. Times are seconds since the load's begin."""
    world = one.world
    promise = {key: value for key, value in world.promise.to_dict().items() if key not in {"sources", "keys"}}
    told = [f"  queue: {world.kind}; {world.workers} workers; {world.habits}"]
    told += [f"  policy: {world.policy}", f"  promise: {promise}"]
    told += [f"  {part}" for part in (*world.jobs, *world.blows)]
    told += [f"  => {finding}" for finding in one.findings]
    for line in sorted(one.lines, key=lambda line: int(line["t"])):
        if line["e"] not in {"open", "canary", "sample"}:
            fields = " ".join(f"{key}={value}" for key, value in line.items() if key not in HIDDEN and value != "")
            told.append(f"  {line['t'] / 1e9 - ZERO_US / 1e6:9.4f} s  {line['w']:<18} {line['e']:<8} {fields}")
    return "\n".join(told)
