"""A target's program as the harness sees it: how it is found, what it says of itself, how it is called."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import stormproof_target
from stormproof_target import Description, Setup
from stormproof_target.setup import ADAPTER_VARIABLE, SETUP_VARIABLE
from stormproof_target.target import description_from_dict

import system

KIT: Final = Path(stormproof_target.__file__).parent.parent
BUILT_IN: Final = {name: Path(system.__path__[0]) / "targets" / f"{name}.py" for name in ("reference", "rq")}
DESCRIBE_TIMEOUT_S: Final = 20.0


class TargetError(Exception):
    """The target can't be used; the message says what was tried and what to do (exit code 2)."""


@dataclass(frozen=True, slots=True)
class TargetProgram:
    """``label`` is what the user called it; ``argv`` starts its program, and a verb follows."""

    label: str
    argv: tuple[str, ...]
    adapter: Path

    def environment(self, setup: Setup) -> dict[str, str]:
        """What the program's processes find in their environment, beside what the environment adds."""
        return {
            SETUP_VARIABLE: setup.to_json(),
            ADAPTER_VARIABLE: str(self.adapter),
            "PYTHONPATH": str(KIT),
            "PYTHONSAFEPATH": "1",  # an adapter called rq.py must not hide the library of that name
            "PYTHONUNBUFFERED": "1",
        }

    def describe(self, setup: Setup) -> Description:
        """Ask the program what it is. Raises ``TargetError`` if it dies, hangs, or answers nonsense."""
        command = [*self.argv, "describe"]
        try:
            done = subprocess.run(
                command,
                env=os.environ | self.environment(setup),
                capture_output=True,
                timeout=DESCRIBE_TIMEOUT_S,
                check=False,
                text=True,
            )
        except subprocess.TimeoutExpired:
            raise TargetError(
                f"target {self.label}: `{' '.join(command)}` has not answered within {DESCRIBE_TIMEOUT_S:g} s"
            ) from None
        except OSError as error:
            raise TargetError(f"target {self.label}: `{' '.join(command)}` can't be started: {error}") from None
        if done.returncode:
            raise TargetError(
                f"target {self.label}: `{' '.join(command)}` ended with {done.returncode}; it said:\n"
                f"{_tail(done.stderr or done.stdout)}"
            )
        try:
            return description_from_dict(_object(done.stdout))
        except ValueError as error:
            raise TargetError(
                f"target {self.label}: `{' '.join(command)}` must print one JSON object: {error}"
            ) from None


def resolve(text: str) -> TargetProgram:
    """``reference``, ``rq``, or ``path/to/adapter[@python]``. Raises ``TargetError`` saying what is allowed."""
    if text in BUILT_IN:
        return _python_program(text, BUILT_IN[text], sys.executable)
    path_text, _, interpreter = text.partition("@")
    path = Path(path_text).resolve()
    if not path.is_file():
        raise TargetError(
            f"--target {text}: no such target. Built in: {', '.join(BUILT_IN)};"
            " or the path of an adapter, path/to/adapter.py[@path/to/python]"
        )
    if path.suffix == ".py":
        python = shutil.which(interpreter or sys.executable)
        if python is None:
            raise TargetError(f"--target {text}: no Python interpreter at {interpreter}")
        return _python_program(text, path, python)
    if interpreter:
        return TargetProgram(text, (_which(interpreter, text), str(path)), path)
    if not os.access(path, os.X_OK):
        raise TargetError(
            f"--target {text}: {path} is neither a .py file nor executable: `chmod +x` it,"
            " or name its interpreter behind an @"
        )
    return TargetProgram(text, (str(path),), path)


def _which(interpreter: str, text: str) -> str:
    found = shutil.which(interpreter)
    if found is None:
        raise TargetError(f"--target {text}: there is no {interpreter} on the path")
    return found


def _python_program(label: str, path: Path, python: str) -> TargetProgram:
    return TargetProgram(label, (python, str(path)), path)


def _object(text: str) -> Mapping[str, object]:
    try:
        data = json.loads(text)
    except ValueError:
        raise ValueError(f"it printed {text[:200]!r}") from None
    if not isinstance(data, dict):
        raise ValueError(f"it printed {text[:200]!r}")  # noqa: TRY004  # from outside, not a wrong call
    return data


def _tail(text: str, lines: int = 8) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-lines:]) or "  (nothing)"
