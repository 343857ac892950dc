"""A page of which one part is written by a command, between two markers; the prose around it is a person's."""

from pathlib import Path


def put_between(path: Path, text: str, begin: str, end: str, fresh: str = "") -> None:
    """Replace what stands between the markers. A page without them gets both at its end; none: it begins ``fresh``."""
    before = path.read_text(encoding="utf-8") if path.exists() else fresh
    if begin not in before or end not in before:
        before += f"{before and chr(10)}{begin}\n{end}\n"
    head, rest = before.split(begin, 1)
    path.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end, 1)[-1]}", encoding="utf-8")
