"""Builds the tables of runs and jobs: by joins and sorts, never by windows over jobs (43 s instead of 0.1)."""

from typing import Final

import polars as pl

from scenarios.history_schema import FEW, Frames
from scenarios.history_types import FAILED, FOREVER

ANSWERS: Final = ("acked", "rejected", "unknown")


def processes(frames: Frames) -> pl.DataFrame:
    """Writers: w, worker, role, pid, pid_start, life (of their worker), exit_lo, exit_hi."""
    opened = frames["open"].lazy().select("w", "t", "worker", "role", "pid", "pid_start")
    spawned = (
        frames[FEW]
        .lazy()
        .filter(pl.col("e") == "spawned")
        .select("t", "worker", born=pl.col("life").fill_null(pl.int_range(1, pl.len() + 1).over("worker")))
    )
    exits = (
        frames["exited"]
        .lazy()
        .select("pid", "pid_start", exit_lo=pl.col("lo_ns").fill_null(0), exit_hi="t")
        .unique(["pid", "pid_start"], keep="first", maintain_order=True)
    )
    return (
        opened.sort("t")
        .join_asof(spawned.sort("t"), on="t", by="worker", strategy="backward", check_sortedness=False)
        .with_columns(life=pl.col("born").fill_null(1))
        .join(exits, on=["pid", "pid_start"], how="left")
        .select("w", "worker", "role", "pid", "pid_start", "life", "exit_lo", "exit_hi")
        .collect()
    )


def runs(frames: Frames, writers: pl.DataFrame) -> pl.DataFrame:
    """Runs in order within their job (by fence where every run of the job has one, else by start)."""
    ends = frames["ended"].lazy().select("run", "sum", end="t", outcome="outcome").unique("run", keep="first")
    known = writers.lazy().select("w", "worker", "pid", "life", "exit_lo", "exit_hi")
    started = frames["started"].lazy()
    table = (
        started.select("run", "job", "w", "attempt", "fence", "args_sum", start="t")
        .join(known, on="w", how="left")
        .join(ends, on="run", how="left")
        .with_columns(
            outcome=pl.coalesce(
                "outcome",
                pl.when(pl.col("exit_hi").is_not_null()).then(pl.lit("exit")).otherwise(pl.lit("open")),
            ),
            # Its process was alive at exit_lo, and at its own first line.
            end_lo=pl.coalesce("end", pl.max_horizontal("exit_lo", "start"), "start"),
            end_hi=pl.coalesce("end", "exit_hi", pl.lit(FOREVER)),
            attempt=pl.col("attempt").fill_null(0),
            fence=pl.col("fence").fill_null(0),
        )
        .drop("end", "exit_lo", "exit_hi")
        .sort("job", "start")
        .collect()
    )
    return _fenced_order(table)


def _fenced_order(table: pl.DataFrame) -> pl.DataFrame:
    """Only jobs that ran more than once need their fences looked at."""
    if table.is_empty():
        return table
    same = (pl.col("job") == pl.col("job").shift()).fill_null(value=False)
    again = table.lazy().filter(same).select("job").unique()
    fenced = table.lazy().join(again, on="job", how="semi").group_by("job").agg(fenced=pl.col("fence").min() > 0)
    return (
        table.lazy()
        .join(fenced, on="job", how="left")
        .with_columns(order=pl.when("fenced").then("fence").otherwise("start"))
        .sort("job", "order", "start")
        .drop("fenced", "order")
        .collect()
    )


def jobs(frames: Frames, run_table: pl.DataFrame) -> pl.DataFrame:
    """One row a job that was invoked: enqueue, what its runs came to, its state at the end."""
    invoked = (
        frames["invoked"]
        .lazy()
        .select("job", "queue", "spec", "args_sum", invoked="t", intended="intended_ns", delay="delay_ns")
        .with_columns(intended=pl.col("intended").fill_null(pl.col("invoked")), delay=pl.col("delay").fill_null(0))
        .unique("job", keep="first", maintain_order=True)
    )
    answered = (
        pl.concat(frames[name].lazy().select("job", answered="t", answer=pl.lit(name)) for name in ANSWERS)
        .sort("answered")
        .unique("job", keep="first", maintain_order=True)
    )
    state = (
        frames["state"]
        .lazy()
        .select("job", "state", "reason", "found_in", told_attempts="history", state_at="t", result_sum="sum")
        .unique("job", keep="last")
    )
    return (
        invoked.join(answered, on="job", how="left")
        .join(_per_job(run_table), on="job", how="left")
        .join(state, on="job", how="left")
        .with_columns(
            outcome=pl.col("answer").fill_null("unknown"),
            answered=pl.col("answered").fill_null(FOREVER),
            n_runs=pl.col("n_runs").fill_null(0).cast(pl.Int64),
            n_failed=pl.col("n_failed").fill_null(0).cast(pl.Int64),
            n_ok=pl.col("n_ok").fill_null(0).cast(pl.Int64),
            plain=pl.col("plain").fill_null(value=True),
            kind=pl.col("spec").struct.field("kind"),
            times=pl.col("spec").struct.field("times").fill_null(0),
        )
        .drop("answer")
        .sort("invoked", "job")
        .collect()
    )


def _per_job(run_table: pl.DataFrame) -> pl.LazyFrame:
    """``plain``: every run but the last failed by its own word before the next began, and the last closed."""
    nxt = pl.col("job") == pl.col("job").shift(-1)
    failed = pl.col("outcome").is_in(list(FAILED))
    closed = ~pl.col("outcome").is_in(["exit", "open"])
    orderly = pl.when(nxt).then(failed & (pl.col("end_hi") <= pl.col("start").shift(-1))).otherwise(closed)
    ok = pl.col("outcome") == "ok"
    return (
        run_table.lazy()
        .with_columns(
            orderly=orderly.fill_null(closed),
            failed=failed,
            ok=ok,
            ok_end=pl.when(ok).then("end_hi"),
        )
        .group_by("job")
        .agg(
            n_runs=pl.len(),
            n_failed=pl.col("failed").sum(),
            n_ok=pl.col("ok").sum(),
            plain=pl.col("orderly").all(),
            first_start=pl.col("start").min(),
            last_start=pl.col("start").max(),
            first_ok_end=pl.col("ok_end").min(),
            last_end=pl.col("end_hi").max(),
        )
    )
