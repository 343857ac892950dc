"""Where set-up puts things, and the environment that other programs run in: every cache within the checkout."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# A caller's virtual environment, install prefix or Go folders are for his own work, not for ours.
_NOT_OURS: Final = (
    "GOBIN",
    "PIP_PREFIX",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_TARGET",
    "PIP_USER",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_PROJECT_ENVIRONMENT",
    "UV_SYSTEM_PYTHON",
    "VIRTUAL_ENV",
)


@dataclass(frozen=True, slots=True)
class Place:
    """The checkout's folders."""

    root: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The virtual environment's interpreter."""
        return self.venv / "bin" / "python"

    @property
    def state(self) -> Path:
        """Everything else that set-up makes."""
        return self.root / ".stormproof"

    @property
    def bin(self) -> Path:
        """Servers."""
        return self.state / "bin"

    @property
    def uv(self) -> Path:
        """The installer."""
        return self.state / "uv" / "bin" / "uv"

    @property
    def cache(self) -> Path:
        """What downloads are kept in."""
        return self.state / "cache"

    @property
    def tmp(self) -> Path:
        """Half-made things; emptied by each run, so what an interrupted one left is gone."""
        return self.state / "tmp"

    @property
    def log(self) -> Path:
        """What the programs that set-up ran have said."""
        return self.state / "setup.log"

    @property
    def go(self) -> Path:
        """What Go keeps while it builds."""
        return self.tmp / "go"


def child_environment(place: Place, given: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment (his proxies, certificates, mirrors), with caches and temporary files moved."""
    env = {name: value for name, value in given.items() if name not in _NOT_OURS}
    config = Path(given.get("XDG_CONFIG_HOME") or Path(given.get("HOME", "/nonexistent")) / ".config")
    env |= {
        "PIP_CACHE_DIR": str(place.cache / "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "RUSTUP_HOME": str(place.tmp / "rustup"),  # pip asks rustc its version, and rustup makes a folder for that
        "TMPDIR": str(place.tmp),
        "UV_CACHE_DIR": str(place.cache / "uv"),
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        # pip's settings are where a machine names its mirror; uv does not read them.
        **({"UV_DEFAULT_INDEX": given["PIP_INDEX_URL"]} if _mirror_for_pip_only(given) else {}),
    }
    env |= {
        "CGO_ENABLED": "0",  # no C compiler needed
        "GOCACHE": str(place.go / "build"),
        "GOENV": given.get("GOENV") or str(config / "go" / "env"),  # read where it was, though the next line moves it
        "GOFLAGS": f"{given.get('GOFLAGS', '')} -modcacherw".strip(),
        "GOMODCACHE": str(place.go / "mod"),
        "GOPATH": str(place.go / "path"),
        "GOTOOLCHAIN": "local",
    }
    return env


def go_environment(place: Place, env: Mapping[str, str]) -> dict[str, str]:
    """As above; Go also counts its own use in the configuration folder, which must not be the user's."""
    return {**env, "XDG_CONFIG_HOME": str(place.go / "config")}


def shell_path(env: Mapping[str, str]) -> str:
    """The search path, as a program without one would have it."""
    return env.get("PATH", os.defpath)


def _mirror_for_pip_only(given: Mapping[str, str]) -> bool:
    return bool(given.get("PIP_INDEX_URL")) and not ({"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & given.keys())
