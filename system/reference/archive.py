"""Dead letters leave for an archive: compressed NDJSON on any storage that fsspec knows. Needs the extra ``archive``.

A file is written, closed and read back; only then are its letters removed, each by the death that the file holds. What
goes wrong before that removes nothing; what goes wrong between leaves letters that a later file holds once more, with
the same ``death``. All is archived as Redis has it: sealed where a codec sealed it, a plain pickle where not.
"""
# ruff: noqa: ANN401  # redis-py and fsspec type little that is of use

import base64
import gzip
import io
import json
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from .dead_letters import DeadLetter, DeadLetters, Tally
from .errors import SettingsError, StormqError
from .redaction import redact_text

FILE_LETTERS: Final = 1000


class ArchiveError(StormqError):
    """A file could not be written, or does not read as it was written. None of its letters was removed."""


@dataclass(slots=True)
class Archived:
    """``files``: where they are; ``removed``: what came of each letter in them."""

    files: list[str] = field(default_factory=list)
    removed: Tally = field(default_factory=Tally)


def archive(
    letters: DeadLetters, chosen: Iterable[DeadLetter], url: str, reason: str, *, file_letters: int = FILE_LETTERS
) -> Archived:
    """Move the chosen ones into files below ``url`` (`/folder`, `s3://bucket/folder`), ``file_letters`` in each.

    Raises ``ArchiveError``, ``SettingsError`` for a URL that fsspec does not know, or as ``DeadLetters.discard`` does.
    """
    fs, folder = _storage(url)
    done, each = Archived(), iter(chosen)
    while part := list(islice(each, file_letters)):
        lines = [_line(letters, letter) for letter in part]
        done.files.append(_write(fs, folder, lines))
        told = letters.discard_all(part, f"{reason} ({done.files[-1]})", action="archive")
        done.removed.done += told.done
        done.removed.refused += told.refused
    return done


def read_archive(url: str) -> Iterator[dict[str, Any]]:
    """The letters in one file, as ``archive`` wrote them."""
    fs, path = _storage(url)
    with fs.open(path, "rb") as raw, gzip.open(raw, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _storage(url: str) -> tuple[Any, str]:
    try:
        import fsspec  # type: ignore[import-untyped]  # it has none
    except ImportError as error:
        raise SettingsError(["archives need `fsspec`: install stormproof[archive]"]) from error
    try:
        fs, path = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise SettingsError([f"archive URL {redact_text(url)!r}: {error}"]) from error
    except OSError as error:
        raise ArchiveError(f"{redact_text(url)}: nothing was removed: {type(error).__name__}: {error}") from error
    return fs, path


def _line(letters: DeadLetters, letter: DeadLetter) -> bytes:
    """One letter: what operators read of it, its runs, and its record as Redis has it, to restore it from."""
    record, runs = letters.stored(letter.job_id)
    told = {**asdict(letter), "error_message": record.get(b"error_message", b"").decode("utf-8", "replace")}
    told["history"] = [asdict(run) for run in runs]
    told["record"] = {name.decode(): _value(value) for name, value in record.items()}
    text = json.dumps(told, ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace") + b"\n"  # half a pair, as in a file's name: JSON's escape for it


def _value(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _write(fs: Any, folder: str, lines: list[bytes]) -> str:
    """Write one file that no other run has the name of, and compare what is there with what should be."""
    name = f"dead-letters-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}.ndjson.gz"
    path = f"{folder.rstrip('/')}/{name}"
    packed = gzip.compress(b"".join(lines))
    try:
        fs.makedirs(folder, exist_ok=True)
        with fs.open(path, "wb") as file:
            file.write(packed)
            file.flush()
            with suppress(AttributeError, io.UnsupportedOperation):  # on a local disk: safe before Redis forgets
                os.fsync(file.fileno())
        with fs.open(path, "rb") as file:
            found = gzip.decompress(file.read()).splitlines(keepends=True)
    except Exception as error:  # each storage has errors of its own
        _remove(fs, path)
        raise ArchiveError(f"{path}: nothing was removed: {type(error).__name__}: {error}") from error
    if found != lines:
        _remove(fs, path)
        raise ArchiveError(f"{path}: nothing was removed: {len(found)} letters are there instead of {len(lines)}")
    return str(fs.unstrip_protocol(path))


def _remove(fs: Any, path: str) -> None:
    with suppress(Exception):  # what is half there may as well stay: nobody relies on it
        fs.rm_file(path)
