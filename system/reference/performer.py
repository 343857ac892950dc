"""A run from claim to report: it is noted on the board, timed, given its directory, and told."""

import logging
from dataclasses import replace
from functools import partial
from typing import Any, Final

from . import context, linux
from .board import Board, Phase, Record
from .claimed import Claimed
from .codec import codec_from_environment
from .execution import Outcome, run
from .keys import iso
from .payload import seal_short
from .resp import Command
from .scratch import Runs
from .scripts import Scripts
from .wire import Briefing

log: Final = logging.getLogger("stormq.slot")


class Performer:
    """``timer`` kills this process; it is armed during a run."""

    def __init__(self, briefing: Briefing, scripts: Scripts, board: Board) -> None:
        self._plan, self._incarnation = briefing.plan, briefing.incarnation
        self._scripts, self._board = scripts, board
        self._runs = Runs(briefing.folder)
        self._codec = codec_from_environment()
        self.timer = linux.KillTimer()

    def perform(self, job: Claimed, seq: int, sent_ns: int) -> tuple[Outcome, Command]:
        """Run the body of what claim ``seq``, sent at ``sent_ns``, has given; how it ended, and the report of that."""
        grace_s = self._plan.settings_of(job.queue).grace_s
        told = context.begin(job, self._plan, self._incarnation)
        if job.unsupported:  # no body will run, and the board may not take its id
            outcome = run(job, lambda _: None, self._codec)
            return outcome, self._report(job, outcome, told, 0)
        now_ns = linux.boottime_ns()
        hard_s = job.timeout_s + grace_s
        record = Record(
            phase=Phase.RUNNING,
            seq=seq,
            sent_ns=sent_ns,
            started_ns=now_ns,
            hard_ns=now_ns + int(hard_s * 1e9),
            attempts_max=job.attempts_max,
            delay_us=job.delay_us,
            queue=job.queue,
            job=job.id,
            told=context.to_board(told),
        )
        self._board.write(record)
        self.timer.arm(hard_s + grace_s / 2)  # behind the supervisor's, for the case that it is frozen

        def decoded(call: "partial[Any]") -> None:
            context.add_call(told, call, self._codec)
            self._board.write(replace(record, told=context.to_board(told)))
            if job.attempts:
                log.info("%s %s attempt %d/%d begins", told["name"], job.id, told["attempt"], job.attempts_max)

        with self._runs.own_directory(seq):  # its removal counts as part of the run, and so is bounded with it
            outcome = run(job, decoded, self._codec)
        self._board.write(Record(Phase.REPORTING, seq, sent_ns, queue=job.queue, job=job.id))
        self.timer.arm(0)
        return outcome, self._report(job, outcome, told, (linux.boottime_ns() - now_ns) // 1_000_000)

    def _report(self, job: Claimed, outcome: Outcome, told: context.Told, duration_ms: int) -> Command:
        name, held = self._plan.worker, (job.queue, job.id, job.exec)
        if outcome.kind == "":
            ran = context.ended_well(told, duration_ms)
            return self._scripts.call("complete", *held, job.result_ttl_s, iso(), name, outcome.text, ran)
        log.warning("%s", context.line(told, outcome.kind, duration_ms, outcome.message))
        ran = context.ended_badly(told, duration_ms, seal_short(outcome.message, self._codec, job.id))
        how = (outcome.kind, job.attempts_max, job.delay_us, iso(), name, outcome.text, outcome.error_type, ran)
        return self._scripts.call("fail", *held, *how)
