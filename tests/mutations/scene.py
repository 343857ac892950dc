"""What mutations ask of a recorded history: its jobs, who was alive, and when something was broken.

This is reckoned here from the events themselves and more coarsely than a checker may: where anything at all was broken
near by, a mutant is taken to be perhaps lawful.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any, Final, TypeVar

from tests.mutations.draft import SECOND, Draft, Original, Row
from tests.recorded import Recorded

T = TypeVar("T")
TRIES: Final = 40
FOREVER_S: Final = 1e6
STALL: Final = "a stall"
SLACK_NS: Final = SECOND
"""Added on both sides of whatever was broken."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed history. ``job``: whom a finding must name (None: whatever the right checker finds will do).

    ``excuse``: why it may be lawful all the same, by the mutation's own rule ('' : it is unlawful).
    """

    draft: Draft
    job: str | None
    excuse: str = ""


Make = Callable[["Scene", Random], Mutant | None]
"""Makes one mutant at a place drawn at random; None where a history has no such place."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """``checker`` must find what ``make`` makes; ``bug``: the fault in a queue that leaves such a history."""

    checker: str
    bug: str
    make: Make
    name: str = field(default="")


@dataclass(frozen=True, slots=True)
class Story:
    """One job's rows: its runs with their ends (None: it wrote none)."""

    job: str
    invoked: Row
    acked: Row | None
    state: Row
    runs: tuple[tuple[Row, Row | None], ...]

    @property
    def outcomes(self) -> tuple[str, ...]:
        """How its runs ended."""
        return tuple(end["outcome"] if end else "" for _, end in self.runs)

    @property
    def last_t(self) -> int:
        """Its last event before its state was read."""
        return max(int(row["t"]) for row in (self.invoked, *(row for pair in self.runs for row in pair)) if row)


class Scene:
    """One recorded history, ready to be mutated."""

    def __init__(self, recorded: Recorded) -> None:
        """Reads all rows once."""
        self.recorded, self.original = recorded, Original(recorded.history)
        self.promise, self.scenario = recorded.promise, recorded.scenario
        self.few = self.original.rows["few"]
        self.read_at = self.original.phases["states"]
        self.lossy = any(row["phase"] == "missing" for row in self.original.rows["canary"])

    # ---- jobs

    @cached_property
    def stories(self) -> list[Story]:
        """All jobs of the load, not those of the warm-up."""
        it = self.original
        return [
            Story(
                job, row, it.acked.get(job), it.states[job],
                tuple((run, it.ended.get(run["run"])) for run in it.runs.get(job, ())),
            )
            for job, row in it.invoked.items()
            if not job.startswith("warm") and job in it.states
        ]  # fmt: skip

    @cached_property
    def done(self) -> list[Story]:
        """Acknowledged, one run, which ended well, and finished by the queue's word."""
        return [
            each
            for each in self.stories
            if each.acked and each.outcomes == ("ok",) and each.state["state"] == "finished"
        ]

    @cached_property
    def dead(self) -> list[Story]:
        """Dead letters."""
        return [each for each in self.stories if each.state["state"] == "dead"]

    @cached_property
    def open_at(self) -> list[tuple[int, int, Row]]:
        """Every run's start and end (its process's, where it wrote none) with its row, in order."""
        return [(row["t"], self._end_of(row), row) for row in self.original.rows["started"]]

    def _end_of(self, row: Row) -> int:
        end = self.original.ended.get(row["run"])
        return end["t"] if end else self.life_of(row["w"])[1]

    # ---- processes

    def life_of(self, w: str) -> tuple[int, int]:
        """From when to when a writer was surely alive."""
        opened = self.original.workers[w]
        ended = self._exits.get((opened["pid"], opened["pid_start"]))
        return opened["t"], (ended["lo_ns"] or 0) if ended else self.read_at

    @cached_property
    def _exits(self) -> dict[tuple[int, int], Row]:
        return {(row["pid"], row["pid_start"]): row for row in reversed(self.original.rows["exited"])}

    @cached_property
    def supervisors(self) -> set[int]:
        """Pids of what the harness spawned."""
        return {row["pid"] for row in self.few if row["e"] == "spawned"}

    def alive(self, at: int, besides: str = "") -> list[str]:
        """Writers that run bodies and lived at that time, ``besides`` one."""
        return [w for w in self._bodies if w != besides and self.life_of(w)[0] < at < self.life_of(w)[1]]

    @cached_property
    def _bodies(self) -> list[str]:
        return list(dict.fromkeys(row["w"] for row in self.original.rows["started"]))

    # ---- what was broken

    @cached_property
    def _troubles(self) -> list[tuple[int, int, str]]:
        found: list[tuple[int, int, str]] = []
        injected: dict[str, Row] = {}
        for row in self.few:
            if row["e"] == "fault" and row["phase"] == "inject":
                injected[row["fault"]] = row
            elif row["e"] == "fault" and row["phase"] == "healed" and row["fault"] in injected:
                found.append((injected.pop(row["fault"])["t"], row["t"], f"fault {row['fault']}"))
            elif row["e"] == "stall":
                found.append((row["lo_ns"] or row["t"], row["t"], STALL))
            elif row["e"] == "signal" and row["t"] < self.read_at:
                found.append((row["t"], self._until(row), f"signal {row['name']}"))
        found += [(row["t"], self.original.history.end, f"fault {name}") for name, row in injected.items()]
        ended = (row for row in self.original.rows["exited"] if row["t"] < self.read_at and row["worker"] != "producer")
        return found + [(row["lo_ns"] or row["t"], row["t"], "an end of a process") for row in ended]

    def _until(self, sent: Row) -> int:
        """Who is told to stop may take its time; other signals act at once."""
        if sent["name"] != "TERM":
            return int(sent["t"])
        ends = (row["t"] for row in self.original.rows["exited"] if row["worker"] == sent["worker"])
        return next((t for t in ends if t >= sent["t"]), self.read_at)

    def excuse(self, lo: int, hi: int, after_s: float | None = None, *, stalls: bool = True) -> str:
        """What was broken in ``[lo, hi]``, with the time to reconnect after it ('' : nothing).

        Without ``stalls`` for what a stall only delays by its own length.
        """
        if self.lossy:
            return "the store lost writes"
        before = SLACK_NS + round(self.promise.start_gap_s * SECOND)
        back = max(self.promise.reconnect_s if after_s is None else after_s, self.promise.report_s)
        after = SLACK_NS + round(min(back, FOREVER_S) * SECOND)
        near = (what for a, b, what in self._troubles if a <= hi + SLACK_NS and b + after >= lo - before)
        return next((what for what in near if stalls or what != STALL), "")

    def stalled(self, lo: int, hi: int) -> int:
        """So long, at most, the machine or a worker stood still in ``[lo, hi]``, in ns."""
        return sum(max(0, min(b, hi) - max(a, lo)) for a, b, what in self._troubles if what == STALL)

    def excuse_now(self, at: int) -> str:
        """What was broken then or while what ran then may have been granted: for what looks at one moment alone."""
        if self.lossy:
            return "the store lost writes"
        after = SLACK_NS // 2 + round((self.promise.reconnect_s + self.promise.start_gap_s) * SECOND)
        return next((what for a, b, what in self._troubles if a <= at + SLACK_NS // 2 and b + after >= at), "")

    @cached_property
    def last_trouble(self) -> int:
        """When the last thing was broken, or the last body ran, before the states were read."""
        events = [hi for _, hi, _ in self._troubles if hi <= self.read_at]
        return max([self.original.history.begin, *events, *(end for _, end, _ in self.open_at if end <= self.read_at)])

    def excuse_of(self, story: Story) -> str:
        """The same over the job's life."""
        return self.excuse(story.invoked["t"], story.last_t)

    def excuse_until_read(self, story: Story) -> str:
        """The same until its state was read: for what a queue may count without being seen."""
        return self.excuse(story.invoked["t"], self.read_at)

    def excuse_at_rest(self) -> str:
        """Whether the machine stood still in the quiet before the states were read, so that nothing can be said."""
        last = max(row["t"] for kind in ("started", "ended") for row in self.original.rows[kind])
        stalled = any(row["e"] == "stall" and row["t"] > last for row in self.few)
        return "a stall" if stalled else "the store lost writes" if self.lossy else ""

    # ---- places and changes

    def pick(self, random: Random, places: Sequence[T], excuse: Callable[[T], str]) -> tuple[T, str] | None:
        """One of the places with its excuse; three times of four one without, where there is one."""
        if not places:
            return None
        wants_none = random.random() < 0.75
        chosen = [random.choice(places) for _ in range(TRIES if wants_none else 1)]
        return next(((each, "") for each in chosen if not excuse(each)), (chosen[0], excuse(chosen[0])))

    def draft(self) -> Draft:
        """A copy to be changed."""
        return Draft(self.original)

    def run_more(self, draft: Draft, story: Story, at: int, random: Random, **fields: Any) -> Row:  # noqa: ANN401
        """One run more of this job, as long as its last one. ``fields``: outcome, w, fence, attempt, lasts_ns."""
        strange = {**self.original.rows["started"][-1], "job": story.job, "args_sum": story.invoked["args_sum"]}
        (last, end) = story.runs[-1] if story.runs else (strange, None)
        lasts = fields.get("lasts_ns", max(end["t"] - last["t"], 1_000_000) if end else 1_000_000)
        w = fields.get("w") or random.choice(self.alive(at, last["w"]) or [last["w"]])
        run = f"again-{at}"
        fence = fields.get("fence", last["fence"] + 1 if last["fence"] else 0)
        started = {**last, "t": at, "w": w, "run": run, "fence": fence}
        started["attempt"] = fields.get("attempt", last["attempt"])
        self.read_later(draft, at + lasts)
        draft.add("started", started)
        outcome = fields.get("outcome", "ok")
        draft.add("ended", {"t": at + lasts, "run": run, "outcome": outcome, "sum": f"sum of {run}"})
        return started

    def move(self, draft: Draft, run: Row, by: int) -> None:
        """A run, with its end, earlier or later."""
        end = self.original.ended.get(run["run"])
        self.read_later(draft, (end or run)["t"] + by)
        draft.change("started", lambda row: row["run"] == run["run"], t=run["t"] + by)
        if end:
            draft.change("ended", lambda row: row["run"] == run["run"], t=end["t"] + by)

    def without_runs(self, draft: Draft, story: Story) -> None:
        """As if it had never been started."""
        gone = {row["run"] for row, _ in story.runs}
        draft.drop("started", lambda row: row["run"] in gone)
        draft.drop("ended", lambda row: row["run"] in gone)

    def state(self, draft: Draft, story: Story, state: str, found_in: Iterable[str], **fields: Any) -> None:  # noqa: ANN401
        """Another state than was read."""
        draft.change("state", lambda row: row["job"] == story.job, state=state, found_in=list(found_in), **fields)

    def read_later(self, draft: Draft, than: int, quiet_s: float = 0) -> None:
        """As the runner waits: states are read after the last event and a rest, so all from there on comes later.

        To be called before an event is moved behind the reading, or it moves along.
        """
        rest = quiet_s or self.promise.moves_s + self.scenario.rest_s
        self.stretch(draft, draft.read_at, than + round(rest * SECOND) - draft.read_at)

    def stretch(self, draft: Draft, at: int, by: int) -> None:
        """As if nothing had happened for ``by`` nanoseconds at that time: all from there on comes later."""
        if by <= 0:
            return

        def later(_kind: str, row: Row) -> Row:
            if row["t"] < at:
                return row
            seen = row.get("lo_ns")
            moved = {"lo_ns": seen + by} if seen and seen >= at else {}
            if row.get("e") == "anchor":  # the server's clock went on as well
                moved["server_us"] = row["server_us"] + by // 1000
            return {**row, "t": row["t"] + by, **moved}

        draft.each(later)
        draft.read_at += by if at <= draft.read_at else 0
