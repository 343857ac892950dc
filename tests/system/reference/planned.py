"""A worker of a plan that a test made, for what the command line does not offer one by one: `python -m ... < line`."""

import json
import sys
from dataclasses import dataclass, field
from typing import Any

from system.reference import load
from system.reference.resp import Command, Reply
from system.reference.supervisor import Supervisor
from system.reference.wire import from_line


class RefusedError(Exception):
    """A queue is configured otherwise."""


@dataclass
class Registration:
    """Registers each queue of a plan in the plan's version, with limits by queue."""

    version: str
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def queues(self) -> tuple[str, ...]:
        return tuple(self.limits)

    def commands(self) -> list[Command]:
        scripts = load()
        head = (self.version, f"digest of {self.version}", f"file of {self.version}", 0, "test", "test", "")
        return [
            scripts.call("register", queue, *head, *(part for pair in limits.items() for part in pair))
            for queue, limits in self.limits.items()
        ]

    def judge(self, replies: list[Reply]) -> None:
        for reply in replies:
            if reply[0] not in (b"applied", b"known"):
                raise RefusedError(reply)


def main() -> int:
    plan = from_line(sys.stdin.readline()).plan
    limits = json.loads(sys.stdin.readline())
    return Supervisor(plan, Registration(plan.version, limits) if plan.version else None).run()


if __name__ == "__main__":
    sys.exit(main())
