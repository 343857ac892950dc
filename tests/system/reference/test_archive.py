"""Dead letters leave Redis only after the archive was read back; a storage that fails removes none of them."""

import base64
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]  # it has none
import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from system.reference import SettingsError, connect
from system.reference.archive import ArchiveError, archive, read_archive
from system.reference.dead_letters import DeadLetters, Which
from system.reference.keys import iso
from system.reference.operations import Actor
from system.reference.payload import decode_call, encode_trace
from tests.system.reference.letters import age, bury, call, claim, store
from tests.system.reference.server import Client, RedisServer

DAY_S = 86400.0


@pytest.fixture
def dead(redis_server: RedisServer) -> DeadLetters:
    return DeadLetters(connect(redis_server.url_of("operator")), actor=Actor("cron", "host 7 test"))


def dead_ids(redis: Client) -> list[str]:
    return list(redis.zrange("rq:sp:dead:q", 0, -1))


def actions(redis: Client) -> list[tuple[str, str, str]]:
    return [(e["action"], e["job"], e["outcome"]) for _, e in redis.xrange("rq:sp:audit")]


def test_old_letters_are_in_the_file_and_no_longer_in_redis(redis: Client, dead: DeadLetters, tmp_path: Path) -> None:
    bury(redis, "old", "young", args=(40, 2))
    age(redis, "old", 91 * DAY_S)
    raw = redis.hgetall("rq:job:old")
    done = archive(dead, dead.find(Which(older_than_s=90 * DAY_S)), str(tmp_path / "new" / "folder"), "retention")
    (file,) = (tmp_path / "new" / "folder").iterdir()
    assert done.files == [f"file://{file}"]
    assert (done.removed.done, done.removed.refused) == (1, {})
    (line,) = gzip.decompress(file.read_bytes()).splitlines()
    told = json.loads(line)
    assert (told["job_id"], told["reason"], told["error_type"], told["user"]) == (
        "old",
        "exhausted",
        "ValueError",
        "ann",
    )
    assert [run["kind"] for run in told["history"]] == ["error"]
    assert {name for name in raw if name != "data"} <= set(told["record"])
    assert decode_call(base64.b64decode(told["record"]["data"]["base64"]))() == 42, "it can be run from the file"
    assert dead_ids(redis) == redis.zrange("rq:failed:q", 0, -1) == ["young"]
    assert not redis.hexists("rq:job:old", "data")
    assert redis.exists("rq:results:old") == 0
    assert actions(redis) == [("archive", "old", "applied")]
    assert str(file) in redis.xrange("rq:sp:audit")[0][1]["reason"]


def test_many_letters_make_several_files_and_each_is_in_one(redis: Client, dead: DeadLetters) -> None:
    names = [f"j{number}" for number in range(7)]
    bury(redis, *names)
    done = archive(dead, dead.find(), "memory://many", "r", file_letters=3)
    assert [len(list(read_archive(file))) for file in done.files] == [3, 3, 1]
    assert [letter["job_id"] for file in done.files for letter in read_archive(file)] == names
    assert dead_ids(redis) == []


def test_letter_that_was_requeued_meanwhile_stays(redis: Client, dead: DeadLetters) -> None:
    bury(redis, "a", "b")
    chosen = list(dead.find())
    dead.requeue(chosen[0], "by hand")
    done = archive(dead, chosen, "memory://meanwhile", "r")
    assert (done.removed.done, done.removed.refused) == (1, {"not dead": 1})
    assert redis.lrange("rq:queue:q", 0, -1) == ["a"]
    assert redis.hexists("rq:job:a", "data")
    assert dead_ids(redis) == []


class _Broken(MemoryFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """A storage that takes everything and fails as its class says."""

    protocol = "broken"
    store: dict[str, Any] = {}  # noqa: RUF012  # as in its base

    def _open(self, path: str, mode: str = "rb", **more: Any) -> Any:  # noqa: ANN401
        if mode == "wb" and "refuses" in path:
            raise PermissionError("no access")
        if mode == "rb" and "truncates" in path:
            self.store[path].seek(0)
            lines = gzip.decompress(self.store[path].read()).splitlines(keepends=True)
            return gzip.io.BytesIO(gzip.compress(b"".join(lines[:-1])))  # type: ignore[attr-defined]
        if mode == "rb" and "garbles" in path:
            self.store[path].seek(10)
            self.store[path].write(b"\0\0\0\0")
        if mode == "rb" and "forgets" in path:
            self.store.pop(path)
        return super()._open(path, mode, **more)


fsspec.register_implementation("broken", _Broken, clobber=True)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("refuses", "PermissionError"),
        ("truncates", "1 letters are there instead of 2"),
        ("garbles", "nothing was removed"),
        ("forgets", "FileNotFoundError"),
    ],
)
def test_storage_that_fails_removes_nothing(redis: Client, dead: DeadLetters, how: str, said: str) -> None:
    bury(redis, "a", "b")
    before = {key: redis.dump(key) for key in sorted(redis.scan_iter())}
    with pytest.raises(ArchiveError, match=said):
        archive(dead, dead.find(), f"broken://{how}", "r")
    assert {key: redis.dump(key) for key in sorted(redis.scan_iter())} == before
    assert not _Broken.store, "no half file is left"


def test_full_disk_removes_nothing_and_says_so(redis_server: RedisServer, redis: Client, tmp_path: Path) -> None:
    """The kernel's own error: a process whose files may have no byte."""
    bury(redis, "a", "b")
    verb = f'dead archive {tmp_path} --older-than 0 --redis-url "$1"'
    command = f'ulimit -f 0; exec "$0" -m system.reference.cli {verb}'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, redis_server.url_of("operator")],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    assert "nothing was removed" in done.stderr
    assert "Traceback" not in done.stderr
    assert dead_ids(redis) == ["a", "b"]
    assert actions(redis) == []
    assert list(tmp_path.iterdir()) == []


def test_storage_that_is_away_is_no_redis_that_is_away(dead: DeadLetters) -> None:
    with pytest.raises(ArchiveError, match="nothing was removed: ConnectionRefusedError") as caught:
        archive(dead, [], "ftp://u:hunter2@127.0.0.1:1/folder", "why")
    assert "hunter2" not in str(caught.value)


def test_half_a_pair_in_a_context_stops_no_archive(redis: Client, dead: DeadLetters, tmp_path: Path) -> None:
    store(redis, "odd")
    context = json.dumps({"message": "\udcff"})
    call(
        redis, "fail", "q", "odd", claim(redis), "error", 1, 0, iso(), "worker-1", encode_trace("x"), "OSError", context
    )
    bury(redis, "behind")
    done = archive(dead, dead.find(), str(tmp_path), "why")
    assert done.removed.done == 2
    odd, behind = read_archive(done.files[0])
    assert (odd["history"][0]["context"], behind["job_id"]) == ({"message": "\udcff"}, "behind")


def test_url_of_an_unknown_storage_is_wrong_usage(dead: DeadLetters) -> None:
    with pytest.raises(SettingsError, match="nosuch"):
        archive(dead, [], "nosuch://x", "r")
