"""What is stored. Empty text and 0 stand for what is absent; times are µs of the server's clock."""

from dataclasses import dataclass, field

WAKE_TOKENS_MAX = 16


@dataclass(slots=True)
class Job:
    """A job's record; the last of its lives, where an operator gave it another."""

    queue: str
    status: str
    not_after_us: int
    exec: str = ""  # the identity of its lease
    fence: int = 0
    settled: str = ""  # which lease was ended last, and by which step
    attempts: int = 0
    timeouts: int = 0
    crashes: int = 0
    stalls: int = 0
    drops: int = 0
    requeues: int = 0
    requeued_from: str = ""  # the death from which an operator woke it
    discarded: str = ""  # the death after which it was removed: a stub
    dead_reason: str = ""
    error_type: str = ""
    cancel_request: str = ""
    history: int = 0  # lines of its failed runs
    expires_ms: int = 0  # 0: never

    def count(self, counter: str) -> int:
        """One more of ``counter``, and how many those are."""
        setattr(self, counter, getattr(self, counter) + 1)
        return int(getattr(self, counter))

    def forget_failures(self) -> None:
        """Begin a life afresh."""
        self.attempts = self.timeouts = self.crashes = self.stalls = self.drops = 0
        self.dead_reason = self.error_type = ""


@dataclass(slots=True)
class Breaker:
    """Closed: how many runs of the window failed, by type of error. Open: with which, until when, and who probes."""

    window_from_us: int = 0
    runs: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    open: str = ""
    open_until_us: int = 0
    probe: str = ""
    probe_job: str = ""


@dataclass(slots=True)
class Sweep:
    """The last sweep of a queue, and the last gap in its sweeps."""

    last_us: int = 0
    interval_us: int = 0
    lease_us: int = 0
    gap_from_us: int = 0
    gap_to_us: int = 0
    hold_until_us: int = 0
    holds: int = 0
    same_redis: bool = False


@dataclass(slots=True)
class Queue:
    """Where its jobs are, and what its operators and configuration say."""

    waiting: list[str] = field(default_factory=list)
    delayed: dict[str, int] = field(default_factory=dict)  # by when they are due
    leases: dict[str, int] = field(default_factory=dict)  # by their deadline
    dead: dict[str, int] = field(default_factory=dict)  # by when they died
    finished: dict[str, int] = field(default_factory=dict)  # by until when they are kept
    cancelled: dict[str, int] = field(default_factory=dict)  # the same
    running: set[str] = field(default_factory=set)  # RQ's registry: 'job:exec', once a heartbeat told
    wake: int = 0
    version: int = 0
    highest: int = 0
    digest: str = ""
    place: str = ""
    limits: dict[str, str | int] = field(default_factory=dict)
    paused: bool = False
    epoch: int = 0
    request: str = ""
    breaker: Breaker | None = None
    sweep: Sweep = field(default_factory=Sweep)

    def wakes(self) -> None:
        """Let one idle slot look again."""
        self.wake = min(WAKE_TOKENS_MAX, self.wake + 1)


@dataclass(slots=True)
class Slot:
    """What is remembered of an incarnation: its last claim and what that was given."""

    seq: int = 0
    queue: str = ""
    job: str = ""
    closed: bool = False
    kept_us: int = 0  # since when its record's time to live runs, if it ever claimed


@dataclass(slots=True)
class State:
    """All of it."""

    now_us: int
    jobs: dict[str, Job] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)
    rates: dict[str, list[int]] = field(default_factory=dict)  # grants, the newest first
    fence: int = 0
    audit: list[tuple[str, ...]] = field(default_factory=list)  # action, queue, job, before, outcome

    def queue(self, name: str) -> Queue:
        """A queue is there as soon as it is named."""
        return self.queues.setdefault(name, Queue())

    def holds(self, queue: str, job: str, exec_: str) -> bool:
        """Whether ``exec_`` is the identity of the job's lease. A lease past its deadline counts until it is swept."""
        record = self.jobs.get(job)
        return bool(exec_) and record is not None and record.exec == exec_ and job in self.queue(queue).leases

    def otherwise(self, job: str, exec_: str, step: str) -> list[str]:
        """The reply to a step of an execution that holds no lease: it was taken before, or the lease was lost."""
        record = self.jobs.get(job)
        return ["replayed" if record and record.settled == f"{exec_} {step}" else "lost"]

    def keep(self, job: Job, keep_us: int) -> None:
        """Let its record go at the end of that time, and not before late copies of its enqueue are past theirs."""
        job.expires_ms = -(-max(self.now_us + keep_us, job.not_after_us) // 1000)

    def expire(self) -> None:
        """Remove the records whose time is over."""
        over = [name for name, job in self.jobs.items() if job.expires_ms and job.expires_ms * 1000 <= self.now_us]
        for name in over:
            del self.jobs[name]
