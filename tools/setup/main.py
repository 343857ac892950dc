"""The steps, in order, under a lock; nothing at all when all of them were done for these very files."""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tools.setup.packages import LOCK, TOOLS_LOCK, get_uv, make_venv, sync
from tools.setup.place import Place, child_environment, shell_path
from tools.setup.servers import redis, toxiproxy
from tools.setup.steps import Runner, SetupError, step

_INPUTS: Final = ("pyproject.toml", LOCK, TOOLS_LOCK, "tools/setup/*.py")
_EXIT_CANNOT: Final = 4
_EXIT_INTERRUPTED: Final = 130


def main() -> int:
    """Sets the checkout up; the exit code."""
    place = Place(Path(__file__).resolve().parents[2])
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends what it has started
    try:
        with _alone(place):
            if is_done(place):
                return 0
            _set_up(place)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return _EXIT_CANNOT
    except OSError as error:
        remedy = f"Make room, or give this user the right to write in {place.root}."
        sys.stderr.write(f"{SetupError(f'{error}', remedy)}\n")
        return _EXIT_CANNOT
    except KeyboardInterrupt:
        sys.stderr.write("set-up interrupted. `make setup` goes on from here.\n")
        return _EXIT_INTERRUPTED
    return 0


def _set_up(place: Place) -> None:
    begin = time.monotonic()
    sys.stdout.write("setting up (once; everything goes into .venv and .stormproof of this checkout)\n")
    (place.state / "stamp").unlink(missing_ok=True)
    shutil.rmtree(place.tmp, ignore_errors=True)
    place.tmp.mkdir(parents=True)
    place.log.write_text("", encoding="utf-8")
    run = Runner(child_environment(place, os.environ), place.log)
    make_venv(place, run)
    get_uv(place, run)
    sync(place, run)
    versions = {"redis": redis(place, run), "toxiproxy": toxiproxy(place, run)}
    with step("clearing what only the build needed"):
        shutil.rmtree(place.tmp)
        place.tmp.mkdir()
    versions_file = place.state / "versions.json"
    versions_file.write_text(json.dumps(versions, indent=2) + "\n", encoding="utf-8")
    (place.state / "stamp").write_text(stamp(place), encoding="utf-8")
    for name, found in versions.items():
        sys.stdout.write(f"  {name}: {found['version']} ({found['path']})\n")
    sys.stdout.write(f"set up in {time.monotonic() - begin:.0f} s\n")


def is_done(place: Place) -> bool:
    """Whether the stamp is of these files and what it vouches for is still there."""
    written = place.state / "stamp"
    if not (written.is_file() and place.python.exists() and (place.bin / "toxiproxy-server").is_file()):
        return False
    return written.read_text(encoding="utf-8") == stamp(place)


def stamp(place: Place) -> str:
    """Of all that decides what set-up makes: its inputs, the interpreter, the checkout's path, the servers."""
    digest = hashlib.sha256()
    for pattern in _INPUTS:
        for path in sorted(place.root.glob(pattern)):
            digest.update(path.read_bytes())
    search = shell_path(os.environ)
    servers = [shutil.which(name, path=search) for name in ("redis-server", "valkey-server")]
    digest.update(repr((sys.version_info[:2], str(place.root), servers)).encode())
    if not any(servers):
        digest.update(repr((place.bin / "valkey-server").is_file()).encode())
    return digest.hexdigest()


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    """Two set-ups of one checkout at a time would undo each other's work: the second waits."""
    place.state.mkdir(exist_ok=True)
    with (place.state / "lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stdout.write("another set-up of this checkout is running; waiting for it\n")
            sys.stdout.flush()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
