"""The parts of set-up that decide something: versions, locks, the environment of what it runs, when it is done."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.tools.conftest import ROOT
from tools.setup import main
from tools.setup.packages import LOCK, TOOLS_LOCK, locked_version, pinned
from tools.setup.place import Place, child_environment, go_environment
from tools.setup.servers import redis, toxiproxy, version_of
from tools.setup.steps import Runner, SetupError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=d", (7, 0, 15)),
        ("Valkey server v=9.1.2 sha=00000000:0 malloc=libc bits=64 build=e", (9, 1, 2)),
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.23 linux/amd64", (1, 23)),
        ("toxiproxy-server version git", ()),
        ("", ()),
    ],
)
def test_versions_are_read_from_what_programs_say(said: str, version: tuple[int, ...]) -> None:
    assert version_of(said) == version


def test_one_tool_is_taken_from_the_lock_with_all_its_hashes_and_no_others() -> None:
    lock = (
        "# made by x\nuv==1.2 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nuv-extra==3 \\\n    --hash=sha256:cc\n"
    )
    assert pinned(lock, "uv") == "uv==1.2 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    assert locked_version(lock, "uv") == "1.2"
    with pytest.raises(KeyError):
        pinned(lock, "absent")


def test_the_callers_mirrors_and_certificates_stay_and_his_install_places_do_not() -> None:
    place = Place(Path("/checkout"))
    given = {
        "HOME": "/home/me",
        "HTTPS_PROXY": "http://proxy",
        "PIP_INDEX_URL": "http://mirror",
        "SSL_CERT_FILE": "/ca",
    }
    env = child_environment(place, {**given, "PIP_TARGET": "/elsewhere", "GOBIN": "/bin", "VIRTUAL_ENV": "/other"})
    assert {name: env[name] for name in given} == given
    assert env["UV_DEFAULT_INDEX"] == "http://mirror", "uv does not read pip's settings"
    assert not {"PIP_TARGET", "GOBIN", "VIRTUAL_ENV"} & env.keys()
    chosen = child_environment(place, {**given, "UV_DEFAULT_INDEX": "http://for-uv"})
    assert chosen["UV_DEFAULT_INDEX"] == "http://for-uv"


def test_every_cache_is_in_the_checkout_and_go_settings_are_read_where_they_were() -> None:
    place = Place(Path("/checkout"))
    env = go_environment(place, child_environment(place, {"HOME": "/home/me", "GOFLAGS": "-mod=mod"}))
    for name in ("PIP_CACHE_DIR", "UV_CACHE_DIR", "GOPATH", "GOCACHE", "GOMODCACHE", "TMPDIR", "XDG_CONFIG_HOME"):
        assert env[name].startswith("/checkout/.stormproof/"), name
    assert env["GOENV"] == "/home/me/.config/go/env"
    assert env["GOFLAGS"].split() == ["-mod=mod", "-modcacherw"]


def made(root: Path) -> Place:
    """A place where set-up has just ended, as far as its files tell."""
    for name in ("pyproject.toml", LOCK, TOOLS_LOCK):
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text("x", encoding="utf-8")
    place = Place(root)
    for path in (place.python, place.bin / "toxiproxy-server", place.bin / "valkey-server"):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    (place.state / "stamp").write_text(main.stamp(place), encoding="utf-8")
    return place


def test_the_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    assert main.is_done(made(tmp_path))


@pytest.mark.parametrize("name", ["pyproject.toml", LOCK, TOOLS_LOCK])
def test_a_changed_lock_is_set_up_again(tmp_path: Path, name: str) -> None:
    place = made(tmp_path)
    (tmp_path / name).write_text("y", encoding="utf-8")
    assert not main.is_done(place)


@pytest.mark.parametrize("gone", [".venv/bin/python", ".stormproof/bin/toxiproxy-server", ".stormproof/stamp"])
def test_what_was_removed_is_set_up_again(tmp_path: Path, gone: str) -> None:
    place = made(tmp_path)
    (tmp_path / gone).unlink()
    assert not main.is_done(place)


def test_a_redis_that_came_or_went_is_set_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = made(tmp_path / "checkout")
    server = tmp_path / "bin" / "redis-server"
    server.parent.mkdir()
    server.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(server.parent))
    assert not main.is_done(place)


def bare_machine(tmp_path: Path) -> tuple[Place, Runner]:
    """Nothing on PATH but a Redis that is too old; no installer, so nothing can be fetched."""
    place = Place(tmp_path / "checkout")
    place.tmp.mkdir(parents=True)
    (place.root / "tools").mkdir()
    (place.root / TOOLS_LOCK).write_text((ROOT / TOOLS_LOCK).read_text(encoding="utf-8"), encoding="utf-8")
    old = tmp_path / "bin" / "redis-server"
    old.parent.mkdir()
    old.write_text('#!/bin/sh\necho "Redis server v=6.2.7 sha=0"\n', encoding="utf-8")
    old.chmod(0o755)
    return place, Runner(child_environment(place, {"PATH": str(old.parent)}), tmp_path / "log")


def test_no_redis_to_be_had_says_which_was_found_and_what_to_install(tmp_path: Path) -> None:
    place, run = bare_machine(tmp_path)
    with pytest.raises(SetupError) as error:
        redis(place, run)
    assert "6.2.7" in str(error.value)
    assert "redis-server 7.0 or newer" in str(error.value)


def test_no_toxiproxy_to_be_had_says_what_it_takes(tmp_path: Path) -> None:
    place, run = bare_machine(tmp_path)
    with pytest.raises(SetupError) as error:
        toxiproxy(place, run)
    assert "Go 1.23 or newer" in str(error.value)
    assert ".stormproof/bin/toxiproxy-server" in str(error.value)


def names(requirements: list[str]) -> set[str]:
    """Package names of requirements, without extras and bounds."""
    return {re.split(r"[\[<>=~! ;]", line)[0] for line in requirements} - {"stormproof"}


def test_the_lock_has_every_dependency_and_every_dependency_has_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    locked = (ROOT / LOCK).read_text(encoding="utf-8")
    assert names(asked) <= set(re.findall(r"^([a-z0-9-]+)==", locked, re.MULTILINE))
    unbounded = [line for line in asked if not line.startswith("stormproof[") and not re.search(r">=.*,<", line)]
    assert unbounded == []


@pytest.mark.parametrize("lock", [LOCK, TOOLS_LOCK])
def test_the_locks_name_no_index_and_hash_everything(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url " not in text
    for block in re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]
