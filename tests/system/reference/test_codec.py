"""Encryption at rest: neither Redis nor RQ's readers see what a job is called with, or what comes of it."""

import base64
import json
import pickle
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from redis import Redis
from rq.job import Job

from system.reference import Queue, SettingsError
from system.reference.archive import archive, read_archive
from system.reference.codec import AeadCodec, CodecError, codec_from_environment, is_sealed, new_key
from system.reference.dead_letters import DeadLetters, Which
from system.reference.payload import (
    SHORT_MAX,
    Undecodable,
    decode_call,
    decode_result,
    decode_trace,
    encode_call,
    encode_result,
    encode_trace,
    open_text,
    seal_short,
)
from tests.system.reference import jobs
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import Worker, wait_until

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
CODEC = AeadCodec({"new": NEW, "old": OLD})
NEEDLE = "Zaphod-Beeblebrox"
Spawn = Callable[..., AbstractContextManager[Worker]]


@pytest.mark.unit
class TestSealing:
    @given(st.binary(max_size=200), st.text(max_size=20))
    def test_what_was_sealed_opens_for_its_purpose_only(self, data: bytes, purpose: str) -> None:
        token = CODEC.seal(data, purpose)
        assert CODEC.open(token, purpose) == data
        with pytest.raises(CodecError):
            CODEC.open(token, purpose + "x")

    @given(st.integers(0, 10_000), st.characters())
    def test_changed_token_does_not_open(self, at: int, to: str) -> None:
        token = CODEC.seal(b"12", "p")  # without padding, whose spare bits mean nothing
        at %= len(token)
        assume(token[at] != to)
        with pytest.raises(CodecError):
            CODEC.open(token[:at] + to + token[at + 1 :], "p")

    def test_same_call_twice_gives_nothing_away(self) -> None:
        assert CODEC.seal(b"same", "p") != CODEC.seal(b"same", "p")

    def test_keys_rotate(self) -> None:
        before = AeadCodec({"old": OLD}).seal(b"data", "p")
        assert CODEC.open(before, "p") == b"data"
        with pytest.raises(CodecError, match=r"'new', which is not among those given \(old\)"):
            AeadCodec({"old": OLD}).open(CODEC.seal(b"data", "p"), "p")


@pytest.mark.unit
class TestPayload:
    def test_call_opens_for_its_job_and_its_function(self) -> None:
        data = encode_call(jobs.add, (1,), {"b": 2}, CODEC, "j")
        assert decode_call(data, CODEC, "j")() == 3
        with pytest.raises(Undecodable, match="another job"):
            decode_call(data, CODEC, "other")
        name, instance, args, kwargs = pickle.loads(zlib.decompress(data))  # noqa: S301
        moved = zlib.compress(pickle.dumps(("operator.sub", instance, args, kwargs)))
        with pytest.raises(Undecodable, match="another job"):
            decode_call(moved, CODEC, "j")
        assert name == "tests.system.reference.jobs.add"

    def test_without_a_key_it_is_said_what_is_missing(self) -> None:
        with pytest.raises(Undecodable, match="STORMQ_KEY_FILE"):
            decode_call(encode_call(jobs.add, (1, 2), {}, CODEC, "j"), None, "j")

    def test_plain_call_is_read_with_a_codec_too(self) -> None:
        assert decode_call(encode_call(jobs.add, (1, 2), {}), CODEC, "j")() == 3

    @pytest.mark.parametrize("value", [None, 0, "text", {"a": [1]}])
    def test_result_survives(self, value: object) -> None:
        assert decode_result(encode_result(value, CODEC, "j"), CODEC, "j") == value
        assert decode_result(encode_result(value), None) == value

    def test_trace_is_sealed_and_without_secrets(self) -> None:
        error = ValueError(f"bad user {NEEDLE}, password={NEEDLE}")
        sealed, plain = (decode_trace(encode_trace(error, codec, "j").encode()) for codec in (CODEC, None))
        assert is_sealed(sealed)
        assert NEEDLE not in sealed + open_text(sealed, None, "j") + open_text(sealed, CODEC, "other")
        for shown in (open_text(sealed, CODEC, "j"), open_text(plain, None, "j")):
            assert f"bad user {NEEDLE}, password=***REDACTED***" in shown

    @pytest.mark.parametrize("length", [0, 10, 200, 500, 5000])
    def test_short_token_stays_within_what_scripts_keep(self, length: int) -> None:
        text = "".join(chr(0x4E00 + number % 5000) for number in range(length))
        token = seal_short(text, CODEC, "j")
        assert len(token) <= SHORT_MAX
        assert text.startswith(open_text(token, CODEC, "j"))
        assert open_text(token, CODEC, "j") or not length


@pytest.mark.unit
class TestKeys:
    def test_key_file_and_variable(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_text(f"# the newest first\n{new_key('b')}\n\n{new_key('a')}\n")
        codec = codec_from_environment({"STORMQ_KEY_FILE": str(path)})
        assert codec
        assert codec.seal(b"", "").startswith("stormq-sealed:v1:b:")
        lines = ",".join(path.read_text().split("\n")[1:])
        again = codec_from_environment({"STORMQ_KEYS": lines})
        assert again
        assert again.open(codec.seal(b"data", "p"), "p") == b"data"
        assert codec_from_environment({}) is None

    def test_every_problem_is_told_and_no_key_is_shown(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError) as caught:
            codec_from_environment({"STORMQ_KEYS": "a:AAAA,b b:?!,a:AAAA"})
        told = "\n".join(caught.value.problems)
        for part in ("line 2: allowed", "line 3: key 'a' is there twice", "'a' has 3 bytes; allowed: 32"):
            assert part in told
        assert "AAAA" not in told
        assert "?!" not in told
        with pytest.raises(SettingsError, match="absent"):
            codec_from_environment({"STORMQ_KEY_FILE": str(tmp_path / "absent")})
        with pytest.raises(SettingsError, match="both set"):
            codec_from_environment({"STORMQ_KEY_FILE": "x", "STORMQ_KEYS": "y"})
        with pytest.raises(SettingsError, match="no key"):
            codec_from_environment({"STORMQ_KEYS": "# none"})

    @pytest.mark.parametrize("line", ["{key}", "{key}:a", "a={key}", ":{key}", "{key}:{key}"])
    def test_key_in_the_place_of_its_id_is_not_shown(self, line: str) -> None:
        key = new_key("a").partition(":")[2]
        with pytest.raises(SettingsError, match="line 2: allowed") as caught:
            codec_from_environment({"STORMQ_KEYS": f"{new_key('b')},{line.format(key=key)}"})
        assert key.rstrip("=") not in str(caught.value)

    @pytest.mark.parametrize("key_id", ["", "a b", "a:b", "x" * 33, "db-password"])
    def test_no_key_is_made_that_none_could_use(self, key_id: str) -> None:
        with pytest.raises(SettingsError, match="id"):
            new_key(key_id)


class TestWithRedis:
    @pytest.fixture
    def keys(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A key file, which workers of this test are told of."""
        path = tmp_path / "keys"
        path.write_text(f"{new_key('2026-11')}\n")
        monkeypatch.setenv("STORMQ_KEY_FILE", str(path))
        return path

    @pytest.mark.usefixtures("keys")
    def test_neither_redis_nor_rqs_readers_see_what_a_job_is_called_with_or_what_comes_of_it(
        self, redis_server: RedisServer, redis: Client, worker: Spawn, tmp_path: Path
    ) -> None:
        codec = codec_from_environment()
        queue = Queue("default", redis_server.url, codec=codec)
        queue.enqueue(jobs.echo, NEEDLE, job_id="well")
        queue.enqueue(jobs.echo, NEEDLE, fails=True, job_id="badly", max_attempts=1)
        queue.enqueue(jobs.echo, NEEDLE, crashes=True, job_id="crash")
        assert NEEDLE.encode() not in everything(redis_server)
        with worker(max_crashes=1):
            wait_until(lambda: redis.zcard("rq:finished:default") == 1 and redis.zcard("rq:sp:dead:default") == 2)
        assert NEEDLE.encode() not in everything(redis_server)

        plain = Redis(port=redis_server.port)
        for name in ("well", "badly", "crash"):
            job = Job.fetch(name, connection=plain)
            assert job.func_name == "tests.system.reference.jobs.echo"
            assert is_sealed(job.args[0])
            assert not job.kwargs
        result = Job.fetch("well", connection=plain).latest_result()
        assert result is not None
        assert is_sealed(result.return_value)
        assert decode_result(redis.xrange("rq:results:well")[0][1]["return_value"], codec, "well") == {"said": NEEDLE}

        with_key, without = DeadLetters(plain, codec=codec), DeadLetters(plain)
        for name in ("badly", "crash"):
            (run,), (blind,) = with_key.history(name), without.history(name)
            assert run.context["arguments"]["text"] == NEEDLE
            assert NEEDLE not in repr(blind) + repr(without.get(name))
        assert f"ValueError: it said {NEEDLE}" in with_key.history("badly")[0].trace
        assert with_key.get("badly").error_message == f"it said {NEEDLE}"
        assert without.get("badly").error_type == "ValueError"

        (file,) = archive(with_key, with_key.find(Which(error_type="ValueError")), str(tmp_path / "archive"), "r").files
        (kept,) = read_archive(file)
        assert NEEDLE not in json.dumps(kept), "whoever archives has the key, the archive does not"
        assert NEEDLE in open_text(kept["history"][0]["trace"], codec, "badly")

    def test_without_a_codec_redis_has_it_in_plain(
        self, redis_server: RedisServer, redis: Client, worker: Spawn, queue: Queue
    ) -> None:
        queue.enqueue(jobs.echo, NEEDLE, job_id="well")
        queue.enqueue(jobs.echo, NEEDLE, fails=True, job_id="badly", max_attempts=1)
        assert NEEDLE.encode() in everything(redis_server)
        with worker():
            wait_until(lambda: redis.zcard("rq:finished:default") == 1 and redis.zcard("rq:sp:dead:default") == 1)
        redis.delete("rq:job:well", "rq:job:badly")
        assert everything(redis_server).count(NEEDLE.encode()) >= 2, "a result and a traceback"

    def test_worker_without_the_key_buries_a_sealed_job_and_says_why(
        self, redis_server: RedisServer, redis: Client, worker: Spawn
    ) -> None:
        Queue("default", redis_server.url, codec=CODEC).enqueue(jobs.echo, NEEDLE, job_id="j")
        with worker():
            wait_until(lambda: redis.zcard("rq:sp:dead:default") == 1)
        letter = DeadLetters(Redis(port=redis_server.port)).get("j")
        assert letter.reason == "unserialisable"
        assert "it is sealed, and no key is given ($STORMQ_KEY_FILE" in letter.error_message
        assert letter.attempts == 0, "no attempt was made, so that it runs once the key is there"

    def test_key_given_later_lets_the_requeued_job_run(
        self, redis_server: RedisServer, redis: Client, worker: Spawn, keys: Path
    ) -> None:
        queue = Queue("default", redis_server.url, codec=codec_from_environment())
        queue.enqueue(jobs.echo, NEEDLE, job_id="j")
        sealed_with = keys.read_text()
        keys.write_text(f"{new_key('2026-12')}\n")
        with worker():
            wait_until(lambda: redis.zcard("rq:sp:dead:default") == 1)
        keys.write_text(keys.read_text() + sealed_with)  # the new key seals, both open
        dead = DeadLetters(Redis(port=redis_server.port))
        assert dead.get("j").reason == "unserialisable"
        dead.requeue(dead.get("j"), "the old key is there again")
        with worker():
            wait_until(lambda: redis.zcard("rq:finished:default") == 1)

    def test_worker_says_that_payloads_are_not_encrypted(self, worker: Spawn) -> None:
        with worker() as it:
            wait_until(lambda: "payloads are not encrypted" in it.log())


def everything(server: RedisServer) -> bytes:
    """All that Redis has, its values opened as far as anybody without a key can: base64, zlib."""
    redis: Client = Redis(port=server.port)
    found = []
    for key in redis.scan_iter():
        kind = redis.type(key)
        found.append(key)
        if kind == b"hash":
            found += [part for pair in redis.hgetall(key).items() for part in pair]
        elif kind == b"stream":
            found += [part for _, fields in redis.xrange(key) for pair in fields.items() for part in pair]
        elif kind == b"zset":
            found += redis.zrange(key, 0, -1)
        elif kind == b"list":
            found += redis.lrange(key, 0, -1)
        elif kind == b"set":
            found += redis.smembers(key)
        else:
            found.append(redis.get(key))
    assert len(found) > 10
    return b"\n".join(part for value in found for part in (value, *_opened(value)))


def _opened(value: bytes) -> list[bytes]:
    opened = []
    with suppress(ValueError):
        opened.append(base64.b64decode(value, validate=True))
    for each in (value, *opened):
        with suppress(zlib.error):
            opened.append(zlib.decompress(each))
    return opened
