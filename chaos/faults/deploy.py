"""Workers are replaced by those of another release while they work, one after another: forward, and back."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar, Final

from stormproof_target import Setup
from stormproof_target.setup import SETUP_VARIABLE

from chaos.causes import Cause
from chaos.environment import Environment, Worker
from chaos.errors import HarnessError
from chaos.faults import Effect, Evidence, Injection
from chaos.planned import Plannable

ENDED_S_MAX: Final = 10.0
BACK_S_MAX: Final = 30.0
HOLD_S_MAX: Final = 60.0
POLL_S: Final = 0.02


@dataclass(slots=True)
class _Lives:
    """How often each worker had been spawned before it was to be replaced, and which was told to stop first.

    ``held``: those that no other fault, nor the next deployment, may touch yet.
    """

    before: dict[str, int]
    first: str
    held: list[Worker]

    def let_go(self) -> None:
        """Idempotent."""
        while self.held:
            self.held.pop().held.release()


@dataclass(frozen=True, slots=True)
class Deploy(Plannable):
    """SIGTERM to one worker; its next life is of ``release``. The others follow as soon as it has run a job.

    Those that leave by themselves, because the queue has told them that they are superseded, are not told again.
    """

    release: int

    name: ClassVar[str] = "deploy"
    effect: ClassVar[Effect] = "deploy"
    for_s: ClassVar[float] = 0.0
    needs: ClassVar[frozenset[str]] = frozenset({"releases"})
    explains: ClassVar[frozenset[Cause]] = frozenset({Cause.STOPPED})

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        return () if self.release >= 1 else (f"release={self.release}: 1 or more is needed; 1 runs at the start",)

    def targets(self, env: Environment) -> Sequence[str]:
        """All workers."""
        return tuple(env.workers)

    def inject(self, env: Environment, rng: Random) -> Injection:
        """Put the release in place for every next life, and tell the first worker to stop."""
        held = _hold_all(env)
        at_ns = time.monotonic_ns()
        for worker in held:
            setup = replace(Setup.from_environment(worker.variables), release=self.release)
            worker.variables[SETUP_VARIABLE] = setup.to_json()
        lives = _Lives({each.name: each.lives for each in held}, rng.choice(sorted(env.workers)), held)
        _stop(env.workers[lives.first])
        return Injection(at_ns, lives)

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:
        """That the first worker has ended, and who else by then."""
        if not isinstance(lives := injection.state, _Lives):
            return ()
        _wait(lambda: _gone(env, lives, lives.first), ENDED_S_MAX)
        return tuple(Evidence(name, f"{name} has ended") for name in lives.before if _gone(env, lives, name))

    def heal(self, env: Environment, injection: Injection) -> None:
        """Go on until every worker is of this release and has run a job. Raises ``HarnessError`` if one does not."""
        if not isinstance(lives := injection.state, _Lives):
            return
        try:
            for name in sorted(lives.before, key=lambda name: name != lives.first):
                if not _gone(env, lives, name):
                    _stop(env.workers[name])
                if not _wait(lambda name=name: _works(env, lives, name), BACK_S_MAX):  # type: ignore[misc]
                    raise HarnessError(f"{name} of release {self.release} has run no job for {BACK_S_MAX:g} s")
        finally:
            lives.let_go()


@dataclass(frozen=True, slots=True)
class RollBack(Deploy):
    """As ``deploy``, of an older release: an operator makes that the current one first."""

    name: ClassVar[str] = "roll back"

    def inject(self, env: Environment, rng: Random) -> Injection:
        """Its time counts from the operator's step."""
        for worker in _hold_all(env):  # what is being deployed is out first
            worker.held.release()
        at_ns = time.monotonic_ns()
        env.operate("roll_back", str(self.release))
        return replace(Deploy.inject(self, env, rng), at_ns=at_ns)


def _hold_all(env: Environment) -> list[Worker]:
    held: list[Worker] = []
    for name in sorted(env.workers):
        if not env.workers[name].held.acquire(timeout=HOLD_S_MAX):
            for worker in held:
                worker.held.release()
            raise HarnessError(f"another fault has not let go of {name} for {HOLD_S_MAX:g} s")
        held.append(env.workers[name])
    return held


def _stop(worker: Worker) -> None:
    worker.signal([worker.pid], "TERM")


def _gone(env: Environment, lives: _Lives, name: str) -> bool:
    worker = env.workers[name]
    return worker.lives > lives.before[name] or not worker.alive


def _works(env: Environment, lives: _Lives, name: str) -> bool:
    """Whether it has run a job in a life that began after the deployment did."""
    later = range(lives.before[name] + 1, env.workers[name].lives + 1)
    files = [env.directory / "ledger" / f"{name}-{life}.jsonl" for life in later]
    return any(b'"e":"started"' in file.read_bytes() for file in files if file.exists())


def _wait(condition: Callable[[], bool], limit_s: float) -> bool:
    end_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(POLL_S)
    return True
