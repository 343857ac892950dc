"""Encryption at rest: neither Redis nor RQ's readers see what a job is called with, or what comes of it."""

import pickle
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from system.reference import SettingsError
from system.reference.codec import AeadCodec, CodecError, codec_from_environment, new_key
from system.reference.payload import (
    Undecodable,
    decode_call,
    decode_result,
    decode_trace,
    encode_call,
    encode_result,
    encode_trace,
)
from tests.system.reference import jobs
from tests.system.reference.workers import Worker

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
        field, plain = encode_trace(error, CODEC, "j").encode(), encode_trace(error).encode()
        assert NEEDLE not in decode_trace(field)
        assert "sealed" in decode_trace(field)
        for shown in (decode_trace(field, CODEC, "j"), decode_trace(plain)):
            assert f"bad user {NEEDLE}, password=***REDACTED***" in shown


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
