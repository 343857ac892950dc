"""Stores the histories of a run's folder beside this file: python -m tests.recorded.record out/<run> [NAME ...].

Checksums, runs and receipts are written as short names, one for one (no checker asks more of a checksum than whether it
equals another), fences as their ranks, times to the microsecond, and a part of the store's canary is left out.
Nothing else is changed.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
from stormproof_target import Promise

from reports.run_record import load
from scenarios.catalog import CATALOG
from scenarios.history import History, read_history
from scenarios.history_read import Ledgers
from scenarios.judge import judge
from tests.recorded import HERE, MANIFEST, conditions_of

BYTES_MAX: Final = 70_000
LEVEL: Final = 19
CANARY_KEPT: Final = 16
"""One in so many numbers of the canary, and all around one that is missing or was not answered."""
MICROSECOND: Final = 1024
"""In nanoseconds, as a power of two: its low bits are zero then, which is what makes a file smaller."""
TIMES: Final = ("t", "lo_ns", "intended_ns")
SAME: Final = (
    ("run", "r", (("started", "run"), ("ended", "run"))),
    ("arguments", "a", (("invoked", "args_sum"), ("started", "args_sum"))),
    ("result", "s", (("ended", "sum"), ("state", "sum"))),
    ("receipt", "q", (("acked", "receipt"),)),
)
"""What is named anew: a letter, and the columns that share its names."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0, or 2 if there is nothing to store."""
    parser = argparse.ArgumentParser(prog="python -m tests.recorded.record", description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("names", nargs="*", help="scenarios (default: all)")
    options = parser.parse_args(argv)
    stored = 0
    for part in load(options.run / "run.json").parts:
        for run in part.scenarios:
            folder = options.run / part.target.name.lower() / run.name
            if not (folder / "ledger").is_dir() or (options.names and run.name not in options.names):
                continue
            if run.name not in CATALOG:
                print(f"{folder}: not in the catalogue, left out")  # noqa: T201  # a tool for the terminal
                continue
            size = store(folder, folder.parent.name, run.seed)
            print(f"{folder.parent.name}-{run.name}: {size} bytes")  # noqa: T201
            stored += 1
    return 0 if stored else 2


def store(folder: Path, target: str, seed: int) -> int:
    """One history and its entry in the manifest; returns the file's size.

    Raises ``ValueError`` if it is too large, or if a checker finds something in it: it would be no lawful one. What its
    objectives came to is of no matter here.
    """
    history = small(read_history(folder))
    scenario = CATALOG[folder.name]
    failed = judge(history, Promise.from_dict(history.header.promise), scenario).failed
    if failed:
        raise ValueError(f"{folder}: {', '.join(failed)} found something; only lawful histories are stored")
    name = f"{target}-{scenario.name}"
    path = HERE / f"{name}.parquet"
    history.write_parquet(path)
    _squeeze(path)
    size = path.stat().st_size
    if size > BYTES_MAX:
        path.unlink()
        raise ValueError(f"{path}: {size} bytes are more than {BYTES_MAX}; run the scenario with fewer jobs")
    entries = json.loads(MANIFEST.read_text(encoding="utf-8")) if MANIFEST.exists() else {}
    entries[name] = {
        "target": target,
        "version": history.header.version,
        "scenario": scenario.name,
        "seed": seed,
        **conditions_of(scenario),
    }
    MANIFEST.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return size


def small(history: History) -> History:
    """The same history under short names."""
    frames = dict(history.frames)
    for _, letter, columns in SAME:
        values: dict[str, None] = {}
        for kind, column in columns:
            values.update(dict.fromkeys(frames[kind][column].drop_nulls()))
        names: dict[Any, str] = {value: f"{letter}{n}" for n, value in enumerate(filter(None, values), start=1)}
        names[""] = ""
        for kind, column in columns:
            frames[kind] = frames[kind].with_columns(pl.col(column).replace_strict(names, default=None))
    fences = pl.col("fence")
    frames["started"] = frames["started"].with_columns(
        pl.when(fences > 0).then(fences.rank("dense")).otherwise(fences).cast(pl.Int64).alias("fence")
    )
    frames["canary"] = _thinned(frames["canary"])
    for kind, frame in frames.items():
        present = [name for name in TIMES if name in frame.columns]
        frames[kind] = frame.with_columns(pl.col(present) // MICROSECOND * MICROSECOND)
    return History(Ledgers(frames, history.header, history.torn))


def _thinned(canary: pl.DataFrame) -> pl.DataFrame:
    """Fewer numbers, but the first, the last, and those from which the bounds of a loss or an outage are reckoned."""
    of = {phase: set(canary.filter(pl.col("phase") == phase)["n"]) for phase in ("sent", "acked", "missing")}
    told = of["missing"] | (of["sent"] - of["acked"])
    near = {n + step for n in told for step in range(-2, 3)} | {canary["n"].min(), canary["n"].max()}
    return canary.filter((pl.col("n") % CANARY_KEPT == 0) | pl.col("n").is_in(list(near)))


def _squeeze(path: Path) -> None:
    """Written once more as one group of rows, harder compressed: a tenth less."""
    metadata = pl.read_parquet_metadata(path)
    frame = pl.read_parquet(path)
    kept = {"stormproof": metadata["stormproof"]}
    frame.write_parquet(path, compression="zstd", compression_level=LEVEL, row_group_size=1 << 20, metadata=kept)


if __name__ == "__main__":
    sys.exit(main())
