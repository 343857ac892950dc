"""The rules of the protocol, each switched off by one changed place of one script."""

from dataclasses import dataclass
from pathlib import Path

from tests.interleave.world import Bounds
from tests.planted.variant import Place, planted

SOUND = ""
LOST = Bounds(lost=1, held=0, kills=0, waits=0, rollbacks=0, sweeps=0, heartbeats=0)
LATE = Bounds(jobs=1, lost=0, held=1, kills=0, waits=1, rollbacks=0, sweeps=1, heartbeats=0)
BEATS = Bounds(jobs=1, lost=0, held=0, kills=0, waits=1, rollbacks=0, sweeps=1, heartbeats=1)
KILLS = Bounds(jobs=1, lost=0, held=1, kills=1, waits=0, rollbacks=0, sweeps=0, heartbeats=0)
ROLLED = Bounds(jobs=1, lost=0, held=0, kills=0, waits=1, rollbacks=1, sweeps=1, heartbeats=0)


@dataclass(frozen=True, slots=True)
class Rule:
    """``sound`` is the place in ``script``, ``broken`` what stands there without the rule, ``bounds`` where to look."""

    name: str
    script: str
    sound: str
    broken: str
    bounds: Bounds

    def overlay(self, folder: Path) -> Path:
        """A folder with the changed script. Raises ``ValueError`` if the place isn't there exactly once."""
        own = folder / self.name.replace(" ", "-")
        own.mkdir()
        text = planted(Place(self.script, self.sound, self.broken))[self.script]
        (own / f"{self.script}.lua").write_text(text, "utf-8")
        return own


RULES = (
    Rule("seq: a late claim is stale", "claim", "if seq < last then", "if false then", LATE),
    Rule("seq: the same claim, the same answer", "claim", "if seq == last then", "if false then", LOST),
    Rule("not_after: a late enqueue is expired", "enqueue", "if now_us > not_after_us then", "if false then", LATE),
    Rule(
        "a known job is not enqueued again",
        "enqueue",
        "if window or redis.call('EXISTS', key) == 1 then",
        "if false then",
        LOST,
    ),
    Rule(
        "kept record: it outlives the window",
        "complete",
        "expire_record(id, ttl_s * 1000000)",
        "redis.call('PEXPIREAT', key, int(math.ceil(now_us / 1000)))",
        LATE,
    ),
    Rule(
        "named heartbeats",
        "heartbeat",
        "if holds(queue, id, exec) then",
        "if redis.call('ZSCORE', sp_key('lease', queue), id) then",
        BEATS,
    ),
    Rule(
        "exec: complete names its lease",
        "complete",
        "if not holds(queue, id, exec) then",
        "if not redis.call('ZSCORE', sp_key('lease', queue), id) then",
        LATE,
    ),
    Rule(
        "exec: fail names its lease",
        "fail",
        "if not holds(queue, id, exec) then",
        "if not redis.call('ZSCORE', sp_key('lease', queue), id) then",
        LATE,
    ),
    Rule(
        "a dead slot is closed",
        "slot_dead",
        "redis.call('HSET', slot_key, 'closed', 1)",
        "redis.call('HSET', slot_key, 'dead', 1)",
        KILLS,
    ),
    Rule(
        "fence: the clock lifts it over a roll-back",
        "claim",
        "math.max((tonumber(last_fence or 0) or 0) + 1, now_us)",
        "tonumber(last_fence or now_us) + 1",
        ROLLED,
    ),
    Rule(
        "fence: reissued when a claim is answered again",
        "claim",
        "math.max((tonumber(last_fence or 0) or 0) + 1, now_us)",
        "word == 'replayed' and last_fence or math.max((tonumber(last_fence or 0) or 0) + 1, now_us)",
        LOST,
    ),
    Rule("hold: another Redis is a gap", "sweep", "or known[2] ~= run_id then", "then", ROLLED),
)


def overlays(folder: Path) -> dict[str, Path]:
    """A folder of scripts by variant: the sound ones, and each rule switched off."""
    sound = folder / "sound"
    sound.mkdir()
    return {SOUND: sound} | {rule.name: rule.overlay(folder) for rule in RULES}
