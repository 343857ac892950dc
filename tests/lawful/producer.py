"""The producer: it enqueues what the load plans, and says of each enqueue what it knows."""

from typing import TYPE_CHECKING

from tests.lawful.processes import MILLI
from tests.lawful.world import Enqueue, us

if TYPE_CHECKING:
    from tests.lawful.play import Play


class Producer:
    """One process after another. ``sent``: jobs whose enqueue was begun, in that order."""

    def __init__(self, play: "Play") -> None:
        self.play, self.pid, self.pen = play, 7, "producer-1-a"
        self.away_until = self.cut_until = 0
        self.sent: dict[str, None] = {}

    def begin(self) -> None:
        """Open the ledger and plan every enqueue."""
        self.play.told.open(self.pen, -1_000_000, "producer", "producer", self.pid)
        for job, plan in self.play.plans.items():
            self.play.at(plan.at, self._send, job, plan)

    def killed(self, away: int) -> None:
        """Another one takes its place when so much time has passed."""
        self.away_until, self.pid = self.play.now + away, self.play.new_pid()
        self.pen = f"producer-{self.pid}-a"
        self.play.told.open(self.pen, self.away_until - 1, "producer", "producer", self.pid)

    def _send(self, job: str, plan: Enqueue) -> None:
        until = max(self.play.stalled_until, self.away_until)
        if self.play.now < until:
            self.play.at(until + self.play.rng.randint(1, MILLI), self._send, job, plan)
            return
        if job in self.sent:
            return
        self.sent[job] = None
        self.play.told.invoked(self.pen, self.play.now, job, plan)
        down = max(self.cut_until, self.play.down_until)
        refused = self.play.rng.random() < self._refuses()
        if self.play.now >= down and not refused:
            self.play.store.enqueue(job, int(job[1:]), self.play.now, plan.delay)
            silent = self.play.store.broken == "silent in calm" and self.play.rng.random() < 0.5
            self._answer("unknown" if silent else "acked", job, 3 * MILLI)
        elif self.play.now >= down:
            self.play.reach("refused")
            self._answer("rejected", job, 3 * MILLI)
            if self.play.store.broken == "runs what it refused":
                self.play.store.enqueue(job, int(job[1:]), self.play.now, plan.delay)
        else:
            self._in_trouble(job, plan, down)

    def _refuses(self) -> float:
        """How often it refuses for a reason of its own, which a queue may that does not promise otherwise."""
        if self.play.store.broken in {"runs what it refused", "refuses in calm"}:
            return 0.3
        return 0.0 if "rejections" in self.play.world.promise.sources else 0.03

    def _in_trouble(self, job: str, plan: Enqueue, down: int) -> None:
        away = self.play.now < self.play.down_until
        fate = self.play.rng.choice(("refused", "not applied", "late", "waits") if away else
                               ("refused", "not applied", "late", "waits", "applied", "applied", "twice"))  # fmt: skip
        if fate == "refused":
            self._answer("rejected", job, 3 * MILLI)
            return
        if fate in {"applied", "twice"}:
            self.play.reach("reply lost on an enqueue")
            self.play.store.enqueue(job, int(job[1:]), self.play.now, plan.delay)
        if fate in {"waits", "twice"}:
            self.play.at(
                down + self.play.rng.randint(1, us(self.play.world.promise.reconnect_s) * 8 // 10),
                self._retry,
                job,
                plan,
            )
            return
        if fate == "late":
            late = down + self.play.rng.randint(1, us(self.play.world.promise.reconnect_s) * 8 // 10)
            self.play.at(late, self._apply_late, job, plan)
        self._answer("unknown", job, us(0.6))

    def _apply_late(self, job: str, plan: Enqueue) -> None:
        if self.play.now >= self.play.down_until:
            self.play.reach("enqueue applied late")
            self.play.store.enqueue(job, int(job[1:]), self.play.now, plan.delay)

    def _retry(self, job: str, plan: Enqueue) -> None:
        down = max(self.cut_until, self.play.down_until, self.play.stalled_until)
        if self.play.now < down:
            self.play.at(down + 1, self._retry, job, plan)
            return
        if self.away_until > self.play.now:
            return  # it was killed meanwhile: no answer
        known = self.play.store.records.get(job)
        if known and known.state == "waiting" and self.play.world.promise.lost_reply_repeats:
            self.play.reach("enqueued twice")
            self.play.store.ready.append(job)
        self.play.store.enqueue(job, int(job[1:]), self.play.now, plan.delay)
        self._answer("acked", job, 3 * MILLI)

    def _answer(self, outcome: str, job: str, most: int) -> None:
        fields = {"receipt": job} if outcome == "acked" else {"why": "x"}
        self.play.told.line(self.pen, self.play.now + self.play.rng.randint(1, most), outcome, job=job, **fields)
