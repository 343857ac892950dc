"""A long lawful run, as tables: of 100 jobs one fails once, of 20,000 one has its slot killed; links break.

Made by polars from the jobs' numbers alone, so that slice after slice of a day can be made in bounded memory.
"""

import json
from pathlib import Path
from typing import Final

import polars as pl
from stormproof_target.ledger import INTACT_SUFFIX

from scenarios.history_schema import COLUMNS, FEW, TYPES, Frames, empty

GAP_NS: Final = 10_000_000  # 100 jobs a second: 8.64 million a day
ZERO_NS: Final = 1_000_000_000_000
WORKERS: Final = 4
SLOTS: Final = 4
MS: Final = 1_000_000
FAILS_EVERY, KILLED_EVERY, CUT_EVERY_S, CUT_S = 100, 20_011, 500, 0.5


def frames(jobs: int, first: int = 0, total: int | None = None, seed: int = 1) -> Frames:
    """Jobs ``first`` to ``first + jobs`` of a run of ``total``; the first slice has what all of them share."""
    total = jobs if total is None else total
    told = _jobs(jobs, first, total, seed)
    for kind, frame in (_shared(total) if first == 0 else {}).items():
        told[kind] = pl.concat([told[kind], frame], how="diagonal") if kind in told else frame
    return {kind: _shaped(told[kind], kind) if kind in told else empty(kind) for kind in COLUMNS}


def _shaped(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    missing = [pl.lit(None, TYPES[name]).alias(name) for name in COLUMNS[kind] if name not in frame.columns]
    return frame.with_columns(missing).select(COLUMNS[kind]).sort("t")


def _jobs(jobs: int, first: int, total: int, seed: int) -> dict[str, pl.DataFrame]:
    number = pl.col("i")
    base = pl.select(i=pl.int_range(first, first + jobs, dtype=pl.Int64))

    def chance(of: int, salt: int) -> pl.Expr:
        return (number.hash(seed * 10 + salt) % of).cast(pl.Int64)

    slot = chance(WORKERS * SLOTS, 1)
    base = base.with_columns(
        job=pl.format("j-{}", number),
        fails=number % FAILS_EVERY == 37,
        killed=number % KILLED_EVERY == 99,
        slot=slot,
        invoked=ZERO_NS + number * GAP_NS + chance(5 * MS, 2),
        args_sum=pl.format("{}", 10_000_000 + chance(89_999_999, 3)),
        result_sum=pl.format("{}", 10_000_000 + chance(89_999_999, 4)),
    ).with_columns(start=pl.col("invoked") + 3 * MS + chance(8 * MS, 5))
    again = pl.col("fails") | pl.col("killed")
    wait = pl.when("killed").then(pl.lit(600 * MS)).otherwise(1 * MS + chance(190 * MS, 6))
    firsts = base.with_columns(attempt=pl.lit(1, pl.Int64))
    seconds = base.filter(again).with_columns(start=pl.col("start") + 25 * MS + wait, attempt=pl.lit(2, pl.Int64))
    writer = pl.format("worker-{}-6d7db4f6", 8000 + pl.col("slot"))
    doomed_writer = pl.format("worker-{}-k", _doomed())
    runs = pl.concat([firsts, seconds]).select(
        "i", "job", "attempt", "args_sum", "killed", "fails", "result_sum",
        t="start", fence="attempt",
        w=pl.when(pl.col("killed") & (pl.col("attempt") == 1)).then(doomed_writer).otherwise(writer),
        run=pl.format("r-{}-6d7db4f6-{}-{}", 8000 + pl.col("slot"), "i", "attempt"),
    )  # fmt: skip
    first_run = pl.col("attempt") == 1
    good = ~(first_run & pl.col("fails"))
    ended = runs.filter(~(first_run & pl.col("killed"))).select(
        "job", "run", t=pl.col("t") + 20 * MS,
        outcome=pl.when(good).then(pl.lit("ok")).otherwise(pl.lit("error")), sum="result_sum",
    )  # fmt: skip
    spec = pl.struct(
        kind=pl.when("fails").then(pl.lit("fail")).otherwise(pl.lit("succeed")),
        sleep_ms=pl.lit(20, pl.Int64),
        times=pl.when("fails").then(pl.lit(1, pl.Int64)),
        hang_s=pl.lit(None, pl.Float64),
        status=pl.lit(None, pl.Int64),
        args_kb=pl.lit(None, pl.Int64),
        result_kb=pl.lit(None, pl.Int64),
        fails_first=pl.lit(None, pl.Int64),
    )
    doomed = base.filter("killed").select(
        pid=_doomed(), pid_start=_doomed(), worker=_worker(), start="start", w=doomed_writer
    )
    kill = pl.col("start") + 10 * MS
    ends_ns = ZERO_NS + total * GAP_NS
    return {
        "invoked": base.select(
            "job", "args_sum", t="invoked", queue=pl.lit("default"), spec=spec, intended_ns="invoked",
            delay_ns=pl.lit(0, pl.Int64),
        ),
        "acked": base.select("job", t=pl.col("invoked") + MS, receipt="job"),
        "started": runs,
        "ended": ended,
        "open": doomed.select("w", "worker", "pid", "pid_start", t=pl.col("start") - MS, role=pl.lit("worker")),
        "exited": doomed.select("worker", "pid", "pid_start", t=kill + 2 * MS, lo_ns=kill),
        "state": base.select(
            "job", t=ends_ns + 30_000 * MS + number, found_in=pl.concat_list(pl.lit("finished")),
            state=pl.lit("finished"), reason=pl.lit(""), sum="result_sum", ttl_ms=pl.lit(60_000, pl.Int64),
        ),
        FEW: doomed.select("worker", "pid", t=kill, e=pl.lit("signal"), name=pl.lit("KILL")),
    }  # fmt: skip


def _doomed() -> pl.Expr:
    """The pid of the process that is killed in the middle of this job."""
    return 100_000 + pl.col("i") // KILLED_EVERY


def _worker() -> pl.Expr:
    return pl.format("worker-{}", pl.col("slot") // SLOTS + 1)


def _shared(total: int) -> dict[str, pl.DataFrame]:
    """Workers, the load's begin, broken links of one worker, the store's canary."""
    length_s = total * GAP_NS // 10**9
    slots = pl.select(slot=pl.int_range(WORKERS * SLOTS, dtype=pl.Int64))
    pid = 8000 + pl.col("slot")
    workers = pl.select(n=pl.int_range(1, WORKERS + 1, dtype=pl.Int64)).select(
        t=pl.lit(ZERO_NS - 2_000 * MS), e=pl.lit("spawned"), worker=pl.format("worker-{}", "n"), pid=7000 + pl.col("n"),
        pid_start=7000 + pl.col("n"), life=pl.lit(1, pl.Int64),
    )  # fmt: skip
    begin = pl.DataFrame({"t": [ZERO_NS], "e": ["phase"], "name": ["load_begin"]})
    cuts = pl.select(n=pl.int_range(max(length_s // CUT_EVERY_S, 1), dtype=pl.Int64))
    at = ZERO_NS + (pl.col("n") * CUT_EVERY_S + CUT_EVERY_S // 2) * 10**9
    phases = [("inject", 0.0, 0), ("fired", 0.01, 1), ("healed", CUT_S, 0)]
    faults = [
        cuts.select(
            t=at + int(late_s * 1e9), e=pl.lit("fault"), fault=pl.format("down {}", "n"), kind=pl.lit("redis down"),
            effect=pl.lit("cut"), phase=pl.lit(phase), n=pl.lit(n, pl.Int64),
            workers=pl.concat_list(pl.lit("worker-1")), evidence=pl.concat_list(pl.lit("seen")),
        )
        for phase, late_s, n in phases
    ]  # fmt: skip
    numbers = pl.select(n=pl.int_range(1, length_s + 1, dtype=pl.Int64), server=pl.lit("s"))
    beat = ZERO_NS + pl.col("n") * 10**9
    return {
        "open": slots.select(
            t=pl.lit(ZERO_NS - 1_000 * MS), w=pl.format("worker-{}-6d7db4f6", pid), role=pl.lit("worker"),
            worker=_worker(), pid=pid, pid_start=pid,
        ),
        "canary": pl.concat(
            numbers.select("n", "server", t=beat + late, phase=pl.lit(phase))
            for phase, late in (("sent", 0), ("acked", MS))
        ),
        FEW: pl.concat([workers, begin, *faults], how="diagonal"),
    }  # fmt: skip


def write_ledgers(told: Frames, folder: Path) -> None:
    """The same as its processes would have written it: ``folder/ledger/*.jsonl``."""
    ledger = folder / "ledger"
    ledger.mkdir(parents=True)
    writers = told["started"].select("run", "w").lazy()
    harness, producer = pl.lit("harness-1-a"), pl.lit("producer-1-a")
    fails = pl.col("spec").struct.field("kind") == "fail"
    texts = {True: '{"kind":"fail","sleep_ms":20,"times":1}', False: '{"kind":"succeed","sleep_ms":20}'}
    spec = pl.when(fails).then(pl.lit(texts[True])).otherwise(pl.lit(texts[False]))
    rows = [
        _lines(told["open"], pl.col("w"), '"e":"open","role":"worker","worker":"{}","pid":{},"pid_start":{}',
               "worker", "pid", "pid_start"),
        _lines(told["invoked"].with_columns(spec=spec), producer, '"e":"invoked","job":"{}","queue":"default",'
               '"spec":{},"intended_ns":{},"delay_ns":0,"args_sum":"{}"', "job", "spec", "intended_ns", "args_sum"),
        _lines(told["acked"], producer, '"e":"acked","job":"{}","receipt":"{}"', "job", "receipt"),
        _lines(told["started"], pl.col("w"), '"e":"started","job":"{}","run":"{}","attempt":{},"fence":{},'
               '"args_sum":"{}"', "job", "run", "attempt", "fence", "args_sum"),
        _lines(told["ended"].lazy().join(writers, on="run").collect(), pl.col("w"),
               '"e":"ended","job":"{}","run":"{}","outcome":"{}","sum":"{}"', "job", "run", "outcome", "sum"),
        _lines(told["exited"], harness, '"e":"exited","worker":"{}","pid":{},"pid_start":{},"lo_ns":{}',
               "worker", "pid", "pid_start", "lo_ns"),
        _lines(told["state"], harness, '"e":"state","job":"{}","found_in":["finished"],"state":"finished","reason":"",'
               '"history":null,"sum":"{}","ttl_ms":60000', "job", "sum"),
        _lines(told["canary"], pl.lit("canary-1-a"), '"e":"canary","server":"s","n":{},"phase":"{}"', "n", "phase"),
    ]  # fmt: skip
    few = [{name: value for name, value in row.items() if value is not None} for row in told[FEW].to_dicts()]
    rows.append(
        pl.DataFrame({"t": [row.pop("t") for row in few], "text": [json.dumps(row)[1:-1] for row in few]}).select(
            "t", w=harness, text=_filled('"t":{},{}}', "t", "text")
        )
    )
    ordered = pl.concat(rows).sort("w", "t", maintain_order=True)
    numbered = ordered.with_columns(seq=pl.int_range(1, pl.len() + 1).over("w"))
    text = numbered.select("w", line=_filled('{"w":"{}","seq":{},{}', "w", "seq", "text"))
    for (writer,), mine in text.partition_by("w", as_dict=True, maintain_order=True).items():
        path = ledger / f"{writer}.jsonl"
        path.write_text("\n".join(mine["line"]) + "\n")
        path.with_name(path.name + INTACT_SUFFIX).touch()


def _lines(frame: pl.DataFrame, writer: pl.Expr, fields: str, *columns: str) -> pl.DataFrame:
    return frame.select("t", w=writer, text=_filled('"t":{},' + fields + "}", "t", *columns))


def _filled(template: str, *columns: str) -> pl.Expr:
    """``template`` with the columns in the places of its ``{}``; other braces stand for themselves."""
    first, *rest = template.split("{}")
    parts = [part for column, after in zip(columns, rest, strict=True) for part in (pl.col(column), pl.lit(after))]
    return pl.concat_str(pl.lit(first), *parts)
