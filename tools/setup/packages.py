"""The installer and what it installs: all versions and hashes from the two lock files."""

import shutil
import sys
from pathlib import Path
from typing import Final

from tools.setup.place import Place
from tools.setup.steps import CommandError, Runner, SetupError, step

LOCK: Final = "requirements.txt"
TOOLS_LOCK: Final = "tools/requirements.txt"
_REACH: Final = "Python's package index must be reachable: set PIP_INDEX_URL for a mirror, HTTPS_PROXY for a proxy."


def pinned(lock: str, name: str) -> str:
    """A package's lines of a lock file: version and hashes. Raises ``KeyError`` when it is not locked."""
    lines = lock.splitlines()
    for begin, line in enumerate(lines):
        if line.startswith(f"{name}=="):
            block = [line]
            for each in lines[begin + 1 :]:
                if not each.startswith(" "):
                    break
                block.append(each)
            return "\n".join(block) + "\n"
    raise KeyError(name)


def locked_version(lock: str, name: str) -> str:
    """The version that a lock file names. Raises ``KeyError`` when it is not locked."""
    return pinned(lock, name).split()[0].removeprefix(f"{name}==")


def make_venv(place: Place, run: Runner) -> None:
    """An environment of this interpreter's, with pip; kept when one is there that works."""
    try:
        same = run([place.python, "-c", "import sys; print(sys.version_info[:2])"])
    except CommandError:
        same = ""
    if same.strip() == str(sys.version_info[:2]):
        return
    try:
        import ensurepip  # noqa: F401  # Debian splits it off; `python -m venv` then says so at length
        import venv  # noqa: F401
    except ImportError as error:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupError(
            f"{sys.executable} cannot make virtual environments ({error})",
            f"Install its venv module (Debian, Ubuntu: `apt-get install python3-venv`, or python{version}-venv).",
        ) from error
    with step(f"virtual environment .venv (Python {sys.version.split()[0]})"):
        try:
            run([sys.executable, "-m", "venv", "--clear", place.venv])
        except CommandError as error:
            raise SetupError(
                "no virtual environment could be made",
                f"`{sys.executable} -m venv .venv` must work.",
                str(error),
            ) from error


def get_uv(place: Place, run: Runner) -> None:
    """The installer, by pip, into `.stormproof/uv`."""
    lock = (place.root / TOOLS_LOCK).read_text(encoding="utf-8")
    version = locked_version(lock, "uv")
    try:
        if run([place.uv, "--version"]).split()[1:2] == [version]:
            return
    except CommandError:
        pass
    with step(f"uv {version}"):
        half = place.tmp / "uv"
        options = ["--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:", f"--target={half}"]
        try:
            if not (place.venv / "bin" / "pip").exists():  # a user may have synced it away
                run([place.python, "-m", "ensurepip"])
            run([place.python, "-m", "pip", "install", *options, "-r", _wanted(place, "uv")])
        except CommandError as error:
            raise SetupError(f"uv {version} could not be installed", _REACH, str(error)) from error
        replace(half, place.state / "uv")


def sync(place: Place, run: Runner) -> None:
    """What the lock says, nothing else, and the project itself, from where it is."""
    lock = place.root / LOCK
    count = sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines())
    python = f"--python={place.python}"
    with step(f"up to {count} locked packages"):
        try:
            # Compiled once, here: a run starts a hundred interpreters, and not every one of them may write bytecode.
            run([place.uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", python, lock])
        except CommandError as error:
            raise SetupError("the locked packages could not be installed", _REACH, str(error)) from error
    with step("the project itself, editable"):
        # Without build isolation and without network: what builds it is in the lock.
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--offline", python]
        try:
            run([place.uv, "pip", "install", *options, "--editable", place.root])
        except CommandError as error:
            remedy = "pyproject.toml, or a file that it names, is broken."
            raise SetupError("the project could not be installed", remedy, str(error)) from error


def fetch(place: Place, run: Runner, name: str) -> Path:
    """Unpacks one tool's wheel under `.stormproof/tmp`, keeps nothing of it. Raises ``CommandError``."""
    folder = place.tmp / name
    options = ["--quiet", "--no-cache", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    where = [f"--python={place.python}", f"--target={folder}"]
    run([place.uv, "pip", "install", *options, *where, "-r", _wanted(place, name)])
    return folder


def _wanted(place: Place, name: str) -> Path:
    """A requirements file of one tool alone."""
    wanted = place.tmp / f"{name}.txt"
    wanted.write_text(pinned((place.root / TOOLS_LOCK).read_text(encoding="utf-8"), name), encoding="utf-8")
    return wanted


def replace(made: Path, place: Path) -> None:
    """Puts a finished folder in its place: an interruption leaves the old one, none or the new one, never half."""
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    made.rename(place)
