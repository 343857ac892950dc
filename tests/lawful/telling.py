"""What the ledger's writers would write of a world: lines as dictionaries, numbered by writer as real pens do."""

from typing import Any, Final

from tests.lawful.world import Enqueue

ZERO_US: Final = 1_000_000_000
Line = dict[str, Any]

SPECS: Final[dict[str, Line]] = {
    "succeed": {"kind": "succeed"},
    "long": {"kind": "succeed"},
    "fail": {"kind": "fail", "times": 0},
    "fail once": {"kind": "fail", "times": 1},
    "fail twice": {"kind": "fail", "times": 2},
    "exit": {"kind": "exit", "status": 1},
    "kill_worker": {"kind": "kill_worker"},
    "hang": {"kind": "hang", "hang_s": 60.0},
    "hang_c": {"kind": "hang_c", "hang_s": 60.0},
    "hold_gil": {"kind": "hold_gil", "hang_s": 1.0},
}


class Telling:
    """Each method writes one line; times are the world's microseconds."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._seq: dict[str, int] = {}

    @staticmethod
    def ns(at: int) -> int:
        """As the ledger has it."""
        return (ZERO_US + at) * 1000

    def line(self, writer: str, at: int, event: str, **fields: Any) -> Line:  # noqa: ANN401  # a ledger line's fields
        """The next line of a writer that has opened."""
        seq = self._seq[writer] = self._seq[writer] + 1
        told = {"w": writer, "seq": seq, "t": (ZERO_US + at) * 1000, "e": event, **fields}
        self.lines.append(told)
        return told

    def open(self, writer: str, at: int, role: str, worker: str, pid: int) -> None:
        """A writer begins."""
        self._seq[writer] = 0
        self.line(writer, at, "open", format=1, role=role, worker=worker, pid=pid, pid_start=pid)

    def harness(self, at: int, event: str, **fields: Any) -> None:  # noqa: ANN401
        """A line of the harness's own pen."""
        if "harness-1-a" not in self._seq:
            self.open("harness-1-a", -2_000_000, "harness", "harness", 1)
        self.line("harness-1-a", at, event, **fields)

    def invoked(self, writer: str, at: int, job: str, plan: Enqueue) -> None:
        """An enqueue is about to be sent."""
        self.line(
            writer, at, "invoked", job=job, queue="default", spec=SPECS[plan.spec], args_sum=f"a-{job}",
            intended_ns=(ZERO_US + plan.at) * 1000, delay_ns=plan.delay * 1000,
        )  # fmt: skip

    def exited(self, at: int, worker: str, pid: int, lo: int, status: int | None) -> None:
        """A process was found dead; it was last seen alive at ``lo``."""
        self.harness(
            at, "exited", worker=worker, pid=pid, pid_start=pid, status=status, lo_ns=(ZERO_US + lo) * 1000
        )  # fmt: skip

    def signal(self, at: int, worker: str, pid: int, name: str) -> None:
        """The harness sends a signal."""
        self.harness(at, "signal", worker=worker, pid=pid, name=name)

    def fault(self, label: str, kind: str, effect: str, workers: list[str], a: int, b: int) -> None:
        """A fault that fired, from its injection to its heal."""
        told = {"fault": label, "kind": kind, "effect": effect, "workers": workers, "evidence": ["seen"]}
        self.harness(a, "fault", phase="inject", n=0, **told)
        self.harness(a + 200, "fault", phase="fired", n=1, **told)
        self.harness(b, "fault", phase="healed", n=0, **told)

    def op(self, at: int, name: str, phase: str, *, job: str = "", queue: str = "", outcome: str = "") -> None:
        """An operator's request."""
        named = {key: value for key, value in (("job", job), ("queue", queue), ("outcome", outcome)) if value}
        self.harness(at, "op", op=name, phase=phase, **named)

    @staticmethod
    def tear(line: Line) -> None:
        """Its writer was killed in the middle of this, its last line: a reader never sees it."""
        line["e"] = "torn"

    def told(self) -> list[Line]:
        """All that a reader sees."""
        return [line for line in self.lines if line["e"] != "torn"]
