"""The runner as a process of its own, which owns environment, faults and verdict while somebody else sends the load.

    we spawn    stormproof serve-load --target T --fault F --for S --out DIR
    it prints   {"ready": true, "producers": [SOCKET, ...], "ledger": DIR, "t0_ns": N}     the load may begin
    we write    {"load_ended": true, "planned": N}                                         or close its stdin
    it prints   {"verdict": "pass", "exit_code": 0, "report": FILE}                        and exits with that code

``ready`` may also hold ``seed`` (of the plan) and ``sustainable_rate_s`` (jobs/s that the target can take).
"""

import json
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Self, TypeVar

END_S: Final = 20.0
EXIT_S: Final = 20.0
LOG_LINES: Final = 12
USAGE: Final = 2  # what the user asked for can't be run; any other early end is the harness's failure
FAILED: Final = 4

V = TypeVar("V")


class RunnerError(Exception):
    """The runner could not be started, died, or answered nonsense. ``exit_code`` is the one to leave with."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Ready:
    """All is set up. ``t0_ns`` (monotonic) is the load's time 0; ``ledger`` the folder that ledgers are written to."""

    producers: tuple[Path, ...]
    ledger: Path
    t0_ns: int
    seed: int = 0
    sustainable_rate_s: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the runner says in the end; ``report`` is the path of the report."""

    verdict: str
    exit_code: int
    report: str


class RunnerProcess:
    """One run. A context manager: leaving it ends a process that has not ended by itself."""

    def __init__(self, argv: Sequence[str], log: Path) -> None:
        """Start ``argv``; what it says on stderr goes to ``log``. Raises ``RunnerError``.

        It gets a session of its own: Ctrl-C is for us, and a run that is cut short is judged all the same.
        """
        self._log = log
        self._lines: SimpleQueue[str] = SimpleQueue()
        try:
            with log.open("wb") as stderr:
                self._process = subprocess.Popen(
                    argv,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    text=True,
                    start_new_session=True,
                )
        except OSError as error:
            raise RunnerError(f"`{' '.join(argv)}` can't be started: {error}") from error
        self._reader = threading.Thread(target=self._read, name="runner's output", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  # asked for a pipe
        for line in self._process.stdout:
            self._lines.put(line)

    def ready(self, timeout_s: float) -> Ready | None:
        """What it prints when the load may begin; None if it has not within ``timeout_s`` seconds.

        Raises ``RunnerError`` if it ends before that.
        """
        answer = self._next("ready", timeout_s)
        if answer is None:
            return None
        try:
            rate_s = answer.get("sustainable_rate_s")
            return Ready(
                producers=tuple(Path(_as(str, path)) for path in _as(list, answer["producers"])),
                ledger=Path(_as(str, answer["ledger"])),
                t0_ns=_as(int, answer["t0_ns"]),
                seed=_as(int, answer.get("seed", 0)),
                sustainable_rate_s=None if rate_s is None else float(_as(float, rate_s)),
            )
        except (KeyError, TypeError) as error:
            raise self._error(f"its ready line is wrong: {error!r} in {answer}") from None

    def load_ended(self, planned: int) -> None:
        """Tell it that ``planned`` arrivals fell due and no more will. Says nothing to one that is gone."""
        assert self._process.stdin is not None  # noqa: S101  # asked for a pipe
        with suppress(OSError):
            self._process.stdin.write(json.dumps({"load_ended": True, "planned": planned}) + "\n")
            self._process.stdin.close()

    def verdict(self, timeout_s: float) -> Verdict | None:
        """What it judges; None if it has not within ``timeout_s`` seconds. Raises ``RunnerError`` if it dies first."""
        answer = self._next("verdict", timeout_s)
        if answer is None:
            return None
        try:
            verdict = Verdict(_as(str, answer["verdict"]), _as(int, answer["exit_code"]), str(answer.get("report", "")))
        except (KeyError, TypeError) as error:
            raise self._error(f"its verdict is wrong: {error!r} in {answer}") from None
        self._check_exit(verdict)
        return verdict

    def check(self) -> None:
        """Raise ``RunnerError`` if it has ended, though nobody asked it to."""
        if self._process.poll() is not None and self._lines.empty():
            raise self._ended("it ended during the load")

    def end(self) -> None:
        """End it if it has not ended: SIGTERM, on which it heals and cleans up, and SIGKILL 20 s later."""
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self.end()

    def _next(self, key: str, timeout_s: float) -> Mapping[str, object] | None:
        until_s = time.monotonic() + timeout_s
        while True:
            over = self._process.poll() is not None and not self._reader.is_alive()
            try:
                line = self._lines.get(timeout=0 if over else min(0.1, max(until_s - time.monotonic(), 0)))
            except Empty:
                if over:
                    raise self._ended(f"it ended before its {key} line") from None
                if time.monotonic() >= until_s:
                    return None
                continue
            try:
                answer = json.loads(line)
            except ValueError:
                answer = None
            if not isinstance(answer, dict) or key not in answer:
                raise self._error(f"it printed what is no {key} line: {line[:200]!r}")
            return answer

    def _check_exit(self, verdict: Verdict) -> None:
        try:
            code = self._process.wait(EXIT_S)
        except subprocess.TimeoutExpired:
            raise self._error(f"it has not ended {EXIT_S:g} s after its verdict") from None
        if code != verdict.exit_code:
            raise self._error(f"it ended with {code}, though its verdict says {verdict.exit_code}")

    def _ended(self, what: str) -> RunnerError:
        code = self._process.wait()
        return self._error(f"{what}, with {code}", USAGE if code == USAGE else FAILED)

    def _error(self, why: str, exit_code: int = FAILED) -> RunnerError:
        try:
            last = self._log.read_text(errors="replace").strip().splitlines()[-LOG_LINES:]
        except OSError:
            last = []
        said = "; it said:\n" + "\n".join(f"  {line}" for line in last) if last else ""
        return RunnerError(f"the runner: {why}{said}", exit_code)


def _as(kind: type[V], value: object) -> V:
    """``value``, which must be a ``kind`` (a whole number will do for a float)."""
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value  # type: ignore[return-value]
