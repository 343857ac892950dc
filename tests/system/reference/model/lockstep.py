"""The model and the real transitions side by side: each call goes to both, which must agree on reply and keys."""

from pathlib import Path
from typing import Any

from redis import Redis

from tests.system.reference.calls import START_US, Calls
from tests.system.reference.model.keys import READ, read, render
from tests.system.reference.model.state import State
from tests.system.reference.model.wire import TRANSITIONS, argv, plain, seen
from tests.system.reference.server import Client


class Lockstep:
    """``folder``: for the scripts in virtual time."""

    def __init__(self, redis: Redis, folder: Path) -> None:
        self._redis: Client = redis
        redis.flushall()
        self._calls = Calls(redis, folder)
        self._read = redis.register_script(READ)
        self._read.sha = redis.script_load(READ)
        self.state = State(START_US)

    def call(self, transition: str, **said: Any) -> list[Any]:  # noqa: ANN401  # each transition's own
        """The reply of both (numbers as text); ``said`` in the order of the script's arguments."""
        expected = plain(TRANSITIONS[transition](self.state, **said))
        self.state.expire()
        commands = self._redis.pipeline(transaction=False)
        commands.execute_command(*self._calls.scripts.call(transition, *argv(transition, said)))
        commands.evalsha(self._read.sha, 0)
        reply, keys = commands.execute()
        found = seen(transition, reply)
        assert found == expected, f"{transition} {said}: Redis says {found}, the model {expected}"
        self._same_keys(keys, f"{transition} {said}")
        return found

    def advance(self, by_us: int) -> None:
        """Let time pass: records whose time is over go."""
        self._calls.advance(by_us)
        self.state.now_us += by_us
        self.state.expire()
        self._same_keys(self._redis.evalsha(self._read.sha, 0), f"{by_us} µs later")

    def another_redis(self, queue: str) -> None:
        """Redis was started again since the last sweep of ``queue``."""
        self._redis.hset(f"rq:sp:sweep:{queue}", "run_id", "another")
        self.state.queue(queue).sweep.same_redis = False

    def token_taken(self, queue: str) -> None:
        """An idle slot was woken."""
        self._redis.lpop(f"rq:sp:wake:{queue}")
        self.state.queue(queue).wake = max(0, self.state.queue(queue).wake - 1)

    def stray_id(self, queue: str) -> None:
        """A foreign tool pushed the id of a job that is none."""
        self._redis.lpush(f"rq:queue:{queue}", "ghost")
        self.state.queue(queue).waiting.insert(0, "ghost")

    def _same_keys(self, raw: list[Any], after: str) -> None:
        found, expected = read(raw), render(self.state)
        self.state.audit = []
        if found != expected:
            differ = sorted(key for key in {*found, *expected} if found.get(key) != expected.get(key))
            lines = [f"{key}: Redis has {found.get(key)}, the model {expected.get(key)}" for key in differ]
            raise AssertionError(f"after {after}:\n" + "\n".join(lines))
