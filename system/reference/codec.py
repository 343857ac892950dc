"""Encryption at rest: what a job is called with, and what comes of it, sealed before it reaches Redis.

The record stays RQ's: function name, queue, times and state can be read by RQ's tools; arguments, results and
tracebacks are one token each. Without a codec they are plain pickles and texts, for whoever reads this Redis.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from .errors import SettingsError, StormqError
from .redaction import is_secret

KEY_FILE_VARIABLE: Final = "STORMQ_KEY_FILE"
KEYS_VARIABLE: Final = "STORMQ_KEYS"
KEY_BYTES: Final = 32
KEY_ID_MAX: Final = 32  # characters: fewer than a key has, so that none is taken for an id and shown
ID_ALLOWED: Final = f"allowed: 1 to {KEY_ID_MAX} letters, digits and _ . -"
_ID: Final = re.compile(rf"[A-Za-z0-9_.-]{{1,{KEY_ID_MAX}}}")
HEAD: Final = "stormq-sealed:v1:"
_NONCE_BYTES: Final = 12


class CodecError(StormqError):
    """A token that can't be opened: no such key, or it was not made for this job, or somebody changed it."""


class PayloadCodec(Protocol):
    """Turns bytes into a token of printable ASCII and back."""

    def seal(self, data: bytes, purpose: str) -> str:
        """A token that only opens for the same ``purpose``: it names the job, so that no token can be moved."""

    def open(self, token: str, purpose: str) -> bytes:
        """The inverse. Raises ``CodecError``."""


class AeadCodec:
    """AES-256-GCM. ``keys``: 32 bytes each, by id; the first one seals, all of them open, so that keys can rotate.

    Nonces are random: give it a new key before 2**32 payloads. Needs the extra ``encryption``.
    Raises ``SettingsError`` naming every problem.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        problems = [] if keys else ["no key is given; allowed: one or more"]
        for key_id, key in keys.items():
            if problem := _wrong_id(key_id):
                problems.append(problem)
            elif len(key) != KEY_BYTES:
                problems.append(f"key {key_id!r} has {len(key)} bytes; allowed: {KEY_BYTES}")
        if problems:
            raise SettingsError(problems)
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise SettingsError(["encryption needs `cryptography`: install stormproof[encryption]"]) from error
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._sealing = next(iter(keys))
        self._invalid: type[Exception] = InvalidTag

    def seal(self, data: bytes, purpose: str) -> str:
        """`stormq-sealed:v1:{key id}:{base64 of nonce and ciphertext}`."""
        nonce = os.urandom(_NONCE_BYTES)
        head = f"{HEAD}{self._sealing}:"
        sealed = self._ciphers[self._sealing].encrypt(nonce, data, f"{head}{purpose}".encode())
        return head + base64.b64encode(nonce + sealed).decode()

    def open(self, token: str, purpose: str) -> bytes:
        """The inverse. Raises ``CodecError``."""
        key_id, _, body = token.removeprefix(HEAD).partition(":")
        if key_id not in self._ciphers:
            known = ", ".join(self._ciphers)
            raise CodecError(f"it was sealed with key {key_id!r}, which is not among those given ({known})")
        try:
            raw = base64.b64decode(body, validate=True)
            return self._ciphers[key_id].decrypt(
                raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], f"{HEAD}{key_id}:{purpose}".encode()
            )
        except (self._invalid, ValueError, binascii.Error) as error:
            raise CodecError(f"it does not open with key {key_id!r}: changed, or made for another job") from error


def is_sealed(value: object) -> bool:
    """Whether it looks like a token."""
    return isinstance(value, str) and value.startswith(HEAD)


def unseal(codec: PayloadCodec | None, token: str, purpose: str) -> bytes:
    """Open a token. Raises ``CodecError``, also where there is no codec."""
    if codec is None:
        raise CodecError(f"it is sealed, and no key is given (${KEY_FILE_VARIABLE} or ${KEYS_VARIABLE})")
    return codec.open(token, purpose)


def new_key(key_id: str) -> str:
    """A line for a key file. Raises ``SettingsError`` if none could have it."""
    if problem := _wrong_id(key_id):
        raise SettingsError([problem])
    return f"{key_id}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"


def _wrong_id(key_id: str) -> str:
    """What is wrong with it, '' if nothing. One of another form may be a key in the wrong place: it is not shown."""
    if not _ID.fullmatch(key_id):
        return f"a key's id has {len(key_id)} characters; {ID_ALLOWED}"
    if is_secret(key_id):
        return f"key id {key_id!r} reads like the name of a secret: redaction would spoil tokens"
    return ""


def codec_from_environment(environ: Mapping[str, str] = os.environ) -> PayloadCodec | None:
    """The codec of the keys in ``STORMQ_KEY_FILE`` or ``STORMQ_KEYS``; None if neither is set.

    Both hold `id:base64 of 32 bytes`, one a line (or comma); the first one seals. Raises ``SettingsError``.
    """
    path, text = environ.get(KEY_FILE_VARIABLE), environ.get(KEYS_VARIABLE)
    if not path and not text:
        return None
    if path and text:
        raise SettingsError([f"{KEY_FILE_VARIABLE} and {KEYS_VARIABLE} are both set; allowed: one of them"])
    where = path or KEYS_VARIABLE
    if path:
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, ValueError) as error:
            raise SettingsError([f"{KEY_FILE_VARIABLE}: {error}"]) from error
    return _from_text(text or "", where)


def _from_text(text: str, where: str) -> PayloadCodec:
    keys: dict[str, bytes] = {}
    problems = []
    for number, line in enumerate(text.replace(",", "\n").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key_id, _, body = line.strip().partition(":")
        key_id, body = key_id.strip(), body.strip()
        try:
            key = base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not key or not _ID.fullmatch(key_id):  # the line itself is not for anybody's eyes
            told = f"{ID_ALLOWED} as its id, a colon, base64 of {KEY_BYTES} bytes"
            problems.append(f"{where}: line {number}: {told}")
            continue
        if key_id in keys:
            problems.append(f"{where}: line {number}: key {key_id!r} is there twice")
        keys[key_id] = key
    if problems and not keys:
        raise SettingsError(problems)
    try:
        codec = AeadCodec(keys)
    except SettingsError as error:
        raise SettingsError([*problems, *(f"{where}: {problem}" for problem in error.problems)]) from error
    if problems:
        raise SettingsError(problems)
    return codec
