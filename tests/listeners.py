"""Listening sockets by port and inode: a port may be somebody else's a moment after it was free, a socket may not."""

from pathlib import Path

LISTEN = "0A"


def listeners() -> set[tuple[int, int]]:
    """Port and inode of each listening TCP socket over IPv4."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {(int(row[1].rpartition(":")[2], 16), int(row[9])) for row in rows if row[3] == LISTEN}
