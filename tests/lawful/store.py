"""The queue's own steps: what each changes in its store. It knows nothing of checkers."""

from collections.abc import Sequence
from copy import copy

from tests.lawful.records import OVER, Held, Record, Records
from tests.lawful.world import us


class Store(Records):
    """Each method is one step that happens at once."""

    # ---- producers and operators

    def enqueue(self, job: str, number: int, now: int, delay: int, copies: int = 1) -> None:
        """Known ids have no second effect; ``copies`` more than one: a client that repeated itself."""
        if job in self.records:
            return
        record = self.records[job] = Record(job, number)
        if self.broken == "forgets an enqueue" and number % 3 == 0:
            del self.records[job]
            return
        if self.broken == "delayed job early" and delay:
            delay //= 2
        if self.broken == "cancels what nobody asked" and number % 3 == 0:
            record.state, record.over_at = "cancelled", now
            return
        if delay:
            if self.broken == "delayed job never due":
                delay += us(10**5)
            self._delay(record, now + delay)
            return
        self.ready += [job] * copies
        self.wakes.append(now + us(1.5) * (self.broken == "tells no idle slot"))

    def cancel(self, job: str, now: int) -> str:
        """What the target answers."""
        record = self.records.get(job)
        if record is None or record.state in OVER:
            return "refused"
        if record.state == "running":
            record.cancel_asked = True
            return "requested"
        if self.broken == "cancelled job runs":
            return "cancelled"
        self._take_off(record)
        record.state, record.over_at = "cancelled", now
        return "cancelled"

    def requeue(self, job: str, now: int) -> bool:
        """An operator's: a dead letter waits again, its counters at zero."""
        record = self.records.get(job)
        if record is None or record.state != "dead":
            return False
        record.attempts = record.crashes = record.stalls = 0
        record.reason, record.listed = "", 1
        self._wait(record, now)
        return True

    # ---- workers

    def claim(self, now: int, slot: int, n: int, *, again: bool = False) -> list[Held]:
        """Up to ``n`` jobs; ``again``: the reply to this slot's last claim was lost."""
        if again and self.habits.claims_again and not self.once:
            kept = [held for held in self.claimed.get(slot, ()) if self._holds(held)]
            if kept:
                return kept
        if self.paused and self.broken != "grants while paused":
            return []
        self.promote(now)
        taken: list[Held] = []
        while self.ready and len(taken) < n and self._may_grant(now):
            record = self.records[self.ready.pop(0)]
            if record.state in {"dead", "cancelled"} or (record.state == "finished" and not self.habits.overwrites):
                continue
            if record.state == "running" and self.promise.fenced and self.broken != "runs twice":
                continue
            taken.append(self._grant(record, now, slot))
        self.claimed[slot] = taken
        return taken

    def _grant(self, record: Record, now: int, slot: int) -> Held:
        self.fence += 1
        if self.broken != "forgets its grants":
            self.grants.append(now)
        lease = self.lease // 6 if self.broken == "lease too short" else self.lease
        record.state, record.holder, record.slot, record.deadline = "running", self.fence, slot, now + lease
        attempt = record.attempts + 1
        if self.broken == "acknowledges before it runs":
            record.state, record.over_at = "finished", now
        if self.broken == "runs twice" and attempt == 1 and self.rng.random() < 0.4:
            self.ready.append(record.job)
            self.wakes.append(now)
        if self.broken == "counts one attempt more":
            attempt += self.policy.max_attempts
        return Held(record.job, self.fence, attempt, now)

    def _may_grant(self, now: int) -> bool:
        limit, n = self.policy.concurrency, self.policy.rate_n
        if limit is not None:
            limit += self.broken == "one lease too many"
            if sum(record.state == "running" for record in self.records.values()) >= limit:
                return False
        if n is None:
            return True
        window = us(self.policy.rate_window_s)
        if self.broken == "fixed window":
            begin = now - now % window
            return sum(t >= begin for t in self.grants[-n:]) < n
        recent = [t for t in self.grants[-n:] if t > now - window]
        if len(recent) < n:
            return True
        self.wakes.append(recent[0] + window + 1)
        return False

    def extend(self, held: Sequence[Held], now: int) -> list[Held]:
        """Renew leases; those that are lost come back."""
        lost = []
        for each in held:
            if not self._holds(each):
                lost.append(each)
            elif self.broken != "never renews":
                self.records[each.job].deadline = max(self.records[each.job].deadline, now + self.lease)
        return lost

    def complete(self, held: Held, outcome: str, result: str, now: int, *, stopping: bool = False) -> None:
        """The body's end is reported; only its holder may (without fences also another, while the job is not over).

        ``stopping``: by a worker that was told to stop.
        """
        record = self.records.get(held.job)
        self.wakes.append(now)
        if record is None:
            return
        if not self._holds(held):
            self._late(record, outcome, result, now)
            return
        record.holder = 0
        if outcome == "cancelled":
            record.state, record.over_at = "cancelled", now
        elif outcome == "ok" and self.broken != "fails what is done":
            self._finish(record, result, now)
            if stopping and self.broken == "stop repeats what is done":
                self._wait(record, now)
        elif outcome == "ok":
            record.state, record.over_at = "failed", now
        else:
            self._failed(record, now, outcome)

    def _late(self, record: Record, outcome: str, result: str, now: int) -> None:
        """A zombie reports."""
        if self.broken == "repeats at a lost reply":
            if record.state == "finished":
                self._wait(record, now)
            return
        if self.broken == "no fence at the report":
            if outcome == "ok" and record.state in {"finished", "running"}:
                record.result = result
            elif record.state == "finished":
                self._wait(record, now)
            return
        if self.promise.fenced or outcome != "ok" or record.state in {"dead", "cancelled"}:
            return
        if record.state != "finished":
            record.holder = 0
            self._finish(record, result, now)
        elif self.habits.overwrites:
            record.result = result

    def slot_dead(self, held: Sequence[Held], running: Held | None, why: str, now: int) -> None:
        """The supervisor saw a slot die: the running job counts, what it only had in hand is released."""
        for each in held:
            if self._holds(each) and each is not running:
                self.release([each], now, each)  # at most once, what was in hand is gone with its slot
        self.wakes.append(now)
        if running is None or not self._holds(running):
            return
        record = self.records[running.job]
        record.holder = 0
        if self.once and self.broken != "runs again at most once":
            record.state, record.over_at = "absent", now
        elif self._called_off(record):
            record.state, record.over_at = "cancelled", now
        elif why == "timeout":
            self._failed(record, now, "timeout")
        elif self.promise.kill_costs_an_attempt:
            self._failed(record, now, "error")
        elif self.broken == "drops a crashed job":
            record.state = "absent"
        else:
            record.crashes += self.broken != "crashes uncounted"
            self._again_or_dead(record, "crashed", record.crashes, self.promise.max_crashes, now)

    def release(self, held: Sequence[Held], now: int, running: Held | None = None) -> None:
        """Given back: counts nothing. What ran is not run again at most once."""
        for each in held:
            if self._holds(each):
                record = self.records[each.job]
                if self._called_off(record):
                    record.state, record.holder, record.over_at = "cancelled", 0, now
                elif self.once and each is running:
                    record.state, record.holder = "absent", 0
                else:
                    self._wait(record, now)

    def sweep(self, now: int) -> None:
        """Leases that ended are given back."""
        if now < self.hold_until or self.once:
            return
        for record in list(self.records.values()):
            live = self.broken == "sweeps live leases" and self.rng.random() < 0.2
            if record.state != "running" or not (record.deadline < now or live):
                continue
            self.wakes.append(now)
            record.holder = 0
            if self.broken == "drops what it sweeps":
                record.state = "absent"
            elif self._called_off(record):
                record.state, record.over_at = "cancelled", now
            elif self.promise.kill_costs_an_attempt:
                self._failed(record, now, "error")
            else:
                record.stalls += self.broken != "stalls uncounted"
                self._again_or_dead(record, "stalled", record.stalls, self.promise.max_stalls, now)

    def promote(self, now: int) -> None:
        """Delayed jobs that are due wait from now on."""
        for record in self.records.values():
            if record.state == "delayed" and record.due <= now:
                self._wait(record, now, wake=False)

    # ---- what a store may do

    def copied(self) -> tuple[dict[str, Record], list[str], list[int], bool]:
        """What a roll-back brings back."""
        return {job: copy(each) for job, each in self.records.items()}, list(self.ready), list(self.grants), self.paused

    def restore(self, copied: tuple[dict[str, Record], list[str], list[int], bool], now: int) -> None:
        """The store has forgotten everything since the copy was made; its counter of grants goes on (server time)."""
        self.records, self.ready, self.grants, self.paused = copied
        self.wakes.append(now)
        self.wakes += [max(now, record.due) for record in self.records.values() if record.state == "delayed"]
