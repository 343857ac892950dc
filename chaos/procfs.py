"""What ``/proc`` says of processes and connections. Standard library only: the guardian runs it under ``python -I -S``.

A process that exits while it is being read is simply not there: nothing here raises for it.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

CAMPAIGN_VARIABLE: Final = "STORMPROOF_CAMPAIGN"
ENVIRONMENT_VARIABLE: Final = "STORMPROOF_ENVIRONMENT"
HARNESS_VARIABLE: Final = "STORMPROOF_HARNESS"

_ESTABLISHED: Final = b"01"


class Process(NamedTuple):
    """One line of ``/proc/PID/stat``. ``start``, in clock ticks since boot, names the process for good with its pid."""

    pid: int
    state: str
    ppid: int
    session: int
    start: int


def process(pid: int) -> Process | None:
    """The process, or None when there is none (a zombie still is one, with state ``Z``)."""
    stat = _read(f"/proc/{pid}/stat")
    if not stat:
        return None
    # the command's name stands in brackets and may hold blanks and brackets itself
    fields = stat[stat.rindex(b")") + 2 :].split()
    return Process(pid, fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]))


def processes() -> dict[int, Process]:
    """Every process that can be seen, by its pid."""
    with os.scandir("/proc") as entries:
        found = [process(int(entry.name)) for entry in entries if entry.name.isdigit()]
    return {each.pid: each for each in found if each is not None}


def is_alive(pid: int, start: int) -> bool:
    """Whether exactly this process exists and is no zombie."""
    now = process(pid)
    return now is not None and now.start == start and now.state not in "ZX"


def variables(pid: int) -> dict[str, str]:
    """The environment that the process was started with; empty when it can't be read or was overwritten."""
    pairs = (each.partition(b"=") for each in (_environ(pid) or b"").split(b"\0"))
    return {os.fsdecode(key): os.fsdecode(value) for key, sign, value in pairs if sign}


def belonging(marks: Collection[str], sessions: Collection[int] = ()) -> list[Process]:
    """Living processes that carry all ``marks`` (``NAME=value``) in their environment, and all their descendants.

    A program that sets its title may overwrite its environment, and one may be started with an empty one; these are
    known by their session. A session's number alone is not enough: it is a pid, and may be in use again.
    """
    wanted = {os.fsencode(mark) for mark in marks}
    table = {pid: each for pid, each in processes().items() if each.state not in "ZX"}
    roots = []
    for each in table.values():
        found = _environ(each.pid)
        if found is None:
            continue
        if wanted <= set(found.split(b"\0")) or (b"=" not in found and each.session in sessions):
            roots.append(each.pid)
    return [table[pid] for pid in with_descendants(roots, table.values())]


def with_descendants(roots: Iterable[int], table: Iterable[Process]) -> list[int]:
    """``roots`` in their order, then their children, theirs, and so on; each pid once."""
    children: dict[int, list[int]] = {}
    for each in table:
        children.setdefault(each.ppid, []).append(each.pid)
    found = list(dict.fromkeys(roots))
    seen = set(found)
    for pid in found:  # grows while it is walked
        fresh = [child for child in children.get(pid, ()) if child not in seen]
        found += fresh
        seen.update(fresh)
    return found


def established(port: int) -> frozenset[int]:
    """Remote ports of the IPv4 connections that a local listener on ``port`` has accepted and that are still open."""
    return frozenset(remote for local, remote in _connections() if local == port)


def _connections() -> Iterator[tuple[int, int]]:
    for line in (_read("/proc/net/tcp") or b"").splitlines()[1:]:
        _, local, remote, state, _ = line.split(maxsplit=4)
        if state == _ESTABLISHED:
            yield int(local[-4:], 16), int(remote[-4:], 16)


def _environ(pid: int) -> bytes | None:
    """None where it is gone or may not be read: then it is nobody that we started."""
    return _read(f"/proc/{pid}/environ")


def _read(path: str) -> bytes | None:
    """Read by the thousand, so without ``pathlib``."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return None
