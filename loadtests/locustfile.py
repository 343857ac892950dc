"""Locust as a second generator: START spawns the runner, users send at the planned times, the verdict is the exit code.

    locust -f loadtests/locustfile.py                                             the web UI at http://127.0.0.1:8089
    locust -f loadtests/locustfile.py --headless --target rq --arrivals burst --fault kill --duration 20

The load is an open model: the plan says when jobs arrive, and users only carry it out, so their number does not matter.
"""

# Locust's events and decorators have no types:
# mypy: disable-error-code="no-untyped-call,untyped-decorator"

import gc
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

import flask
import gevent
from locust import LoadTestShape, User, constant, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import LocalRunner
from locust.web import WebUI

from loadtests.arrivals import PROFILES
from loadtests.load_run import ENQUEUE, JUDGE_S, LOG, LoadRun, Wanted
from scenarios.commands.serve_load import choices as faults

USERS: Final = 4
STORMPROOF: Final = (str(Path(sys.executable).with_name("stormproof")),)
COLUMNS: Final = {"arrivals": "Arrivals", "target": "Target", "fault": "Fault", "phase": "Phase", "verdict": "Verdict"}


class Session:
    """The runs of one Locust process: one at a time."""

    def __init__(self) -> None:
        self.current: LoadRun | None = None
        self.last: LoadRun | None = None
        self.environment: Environment | None = None
        self.interrupted = False

    def start(self, environment: Environment, **_: object) -> None:
        """START was pressed, or Locust runs headless."""
        options = environment.parsed_options or Namespace()
        wanted = Wanted(options.arrivals, options.target, options.fault, options.duration)
        self.environment, self.interrupted = environment, False
        self.current = LoadRun(wanted, program=STORMPROOF, out=Path(options.out), report=self.report)
        self.current.start(after=self.last)
        self.last = self.current

    def report(self, name: str, response_ms: float, failed: str | None) -> None:
        """One line of Locust's statistics."""
        if self.environment is not None:
            self.environment.events.request.fire(
                request_type="queue" if name == ENQUEUE else "job",
                name=name,
                response_time=response_ms,
                response_length=0,
                exception=RuntimeError(failed) if failed else None,
                context={},
            )

    def stopping(self, **_: object) -> None:
        """The run has ended, or STOP was pressed: what was sent is judged, in the background."""
        if self.current is not None:
            self.current.end()
            self.current = None

    def interrupt(self) -> None:
        """Ctrl-C cuts the load short, and what was sent is judged; a second one, or one without a load, ends Locust."""
        if self.current is not None and not self.interrupted:
            self.interrupted = True
            self.current.end()
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    def quitting(self, environment: Environment, **_: object) -> None:
        """Locust leaves with the verdict's exit code, so there has to be one."""
        if self.last is not None:
            self.last.end()
            self.last.wait(JUDGE_S)
            environment.process_exit_code = self.last.exit_code

    def rows(self) -> list[dict[str, str]]:
        """What the verdict's tab shows."""
        if self.last is None:
            return []
        wanted, verdict = self.last.wanted, self.last.verdict
        told = f"{verdict.verdict}: {verdict.report}" if verdict else "none yet"
        return [
            {
                "arrivals": f"{wanted.arrivals}, {wanted.for_s:g} s",
                "target": wanted.target,
                "fault": wanted.fault,
                "phase": self.last.phase,
                "verdict": told,
            }
        ]


SESSION: Final = Session()


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser, **_: object) -> None:
    """What the start page shows, with the same names on the command line."""
    parser.set_defaults(web_host="127.0.0.1")
    parser.add_argument("--arrivals", choices=list(PROFILES), default="sustained", help="when jobs arrive")
    parser.add_argument("--target", default="reference", help="the queue: reference, rq, or an adapter's path")
    parser.add_argument("--fault", choices=list(faults(1)), default="none", help="what breaks meanwhile")
    parser.add_argument("--duration", type=float, default=10.0, help="seconds of load")
    parser.add_argument("--out", default="out/locust", include_in_web_ui=False, help="folder of ledgers and reports")


@events.init.add_listener
def prepare(environment: Environment, runner: object, web_ui: WebUI | None, **_: object) -> None:
    """Connect Locust's events with the session."""
    if not isinstance(runner, LocalRunner):
        LOG.error("Locust's distributed mode is not supported: the runner judges the load of one process")
        sys.exit(2)
    gc.collect()
    gc.freeze()  # looking through all that was imported again stalls a burst for 200 ms
    # KeyboardInterrupt is raised in whichever greenlet runs, and one that is a patched thread swallows it.
    gevent.signal_handler(signal.SIGINT, SESSION.interrupt)
    environment.events.test_start.add_listener(SESSION.start)
    environment.events.test_stopping.add_listener(SESSION.stopping)
    environment.events.quitting.add_listener(SESSION.quitting)
    if web_ui is not None:
        _add_verdict_tab(web_ui)


def _add_verdict_tab(web_ui: WebUI) -> None:
    structure = [{"key": key, "title": title} for key, title in COLUMNS.items()]
    web_ui.template_args["extended_tabs"] = [{"title": "Verdict", "key": "verdict"}]
    web_ui.template_args["extended_tables"] = [{"key": "verdict", "structure": structure}]

    if web_ui.app is None:
        return

    @web_ui.app.after_request
    def add_verdict(response: flask.Response) -> flask.Response:
        if flask.request.path.endswith("/stats/requests") and response.is_json:
            data = response.get_json() | {"extended_stats": [{"key": "verdict", "data": SESSION.rows()}]}
            response.set_data(flask.json.dumps(data))
        return response


class PlannedUser(User):
    """Carries out the plan, together with the others."""

    host = "stormproof"  # Locust asks for one, though what is loaded is the target
    wait_time = constant(0)

    @task
    def arrivals(self) -> None:
        """Send one after the other, all in one task, since Locust's work between two tasks would slow a burst down.

        When there is none any more, stay until Locust ends the run.
        """
        run = SESSION.last
        if run is None:
            raise StopUser
        while run.send_next():
            pass
        run.wait(JUDGE_S)


class UntilJudged(LoadTestShape):
    """The same few users until there is a verdict."""

    use_common_options = False

    def tick(self) -> tuple[int, float] | None:
        """Users and users a second; None ends the run."""
        run = SESSION.current
        return None if run is not None and run.over else (USERS, USERS)
