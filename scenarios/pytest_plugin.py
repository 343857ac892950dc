"""The pytest plugin: scenarios as tests.

``pytest -m chaos`` runs the catalogue, and the scenarios that a user keeps in files called ``scenario_*.py``. A broken
promise or a missed objective fails the test; *inconclusive* is an error, *not applicable* a skip with its reason.
Nothing of Stormproof is imported before a scenario is collected.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from _pytest.mark.expression import Expression  # what -m itself is read with; there is no public name for it

if TYPE_CHECKING:
    from scenarios.scenario import Scenario
    from scenarios.suite import CampaignResult

MARKER: Final = "chaos"
PATTERN: Final = "scenario_*.py"


class ScenarioFailed(Exception):  # noqa: N818  # pytest shows the name
    """A promise was broken or an objective missed; the message is the finding and how to replay it."""


class Inconclusive(Exception):  # noqa: N818  # as above
    """The run can't tell; the message says why."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the scenarios."""
    group = parser.getgroup("stormproof", "Stormproof: scenarios as tests (-m chaos)")
    group.addoption(
        "--target", default="reference", help="queue under test: reference, rq, path/to/adapter.py[@python]"
    )
    group.addoption("--seed", type=int, default=None, help="of load and faults (default: a new one, which is told)")
    group.addoption("--stormproof-out", type=Path, default=Path("out"), help="folder for the runs (default: out)")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker for repositories that do not."""
    config.addinivalue_line("markers", f"{MARKER}: a scenario of Stormproof, minutes in all (pytest -m chaos)")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ScenarioFile | None":
    """A user's own scenarios."""
    return ScenarioFile.from_parent(parent, path=file_path) if file_path.match(PATTERN) else None


@pytest.hookimpl(tryfirst=True)  # before -m and -k sort out
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the catalogue where chaos is asked for and no place is named."""
    if config.args_source is pytest.Config.ArgsSource.ARGS or not _asks_for_chaos(config):
        return
    from scenarios import catalog

    collector = Catalogue.from_parent(session, path=Path(catalog.__file__), nodeid="catalogue")
    items.extend(collector.collect())


def _asks_for_chaos(config: pytest.Config) -> bool:
    expression = config.getoption("markexpr", "")
    return bool(expression) and Expression.compile(expression).evaluate(_is_marker)


def _is_marker(name: str, /, **_: object) -> bool:
    return name == MARKER


class ScenarioFile(pytest.File):
    """One file of scenarios."""

    def collect(self) -> Iterator["ScenarioItem"]:
        """One test a scenario; a file with errors is an error that lists them all."""
        from scenarios.registered import ScenarioFileError, load_file
        from scenarios.validation import validate_all

        try:
            found = load_file(self.path)
            validate_all([(str(self.path), scenario) for scenario in found])
        except ScenarioFileError as error:
            raise self.CollectError(str(error)) from None
        for scenario in found:
            yield ScenarioItem.make(self, scenario, str(self.path))


class Catalogue(pytest.File):
    """The catalogue as one file."""

    def collect(self) -> Iterator["ScenarioItem"]:
        """One test a scenario."""
        from scenarios.catalog import CATALOG

        for scenario in CATALOG.values():
            yield ScenarioItem.make(self, scenario, "")


class ScenarioItem(pytest.Item):
    """One scenario on one target."""

    scenario: "Scenario"
    file: str
    result: "CampaignResult"

    @classmethod
    def make(cls, parent: pytest.Collector, scenario: "Scenario", file: str) -> "ScenarioItem":
        """``file`` '' is the catalogue."""
        item = cls.from_parent(parent, name=scenario.name)
        item.scenario, item.file = scenario, file
        item.add_marker(MARKER)
        return item

    def setup(self) -> None:
        """Run it: what goes wrong here is an error of the experiment, not a failure of the queue."""
        import secrets

        from reports.verdict import Verdict
        from scenarios.campaign_plan import CampaignPlan, PartPlan
        from scenarios.progress import Quiet
        from scenarios.suite import run_campaign
        from scenarios.target_program import resolve

        given = self.config.getoption("--seed")
        seed = secrets.randbelow(1_000_000) if given is None else given
        part = PartPlan(resolve(self.config.getoption("--target")), [self.scenario], file=self.file)
        plan = CampaignPlan([part], seed, self.config.getoption("--stormproof-out"), f"pytest -m chaos --seed {seed}")
        self.result = run_campaign(plan, Quiet())
        (run,) = self.result.record.parts[0].scenarios
        if run.verdict is Verdict.NOT_APPLICABLE:
            pytest.skip(run.why[0])
        if run.verdict is Verdict.INCONCLUSIVE:
            raise Inconclusive("\n".join((*run.why, f"replay: {run.replay}", self._report())))

    def runtest(self) -> None:
        """Raise what was found."""
        from reports.verdict import Verdict

        (part,) = self.result.record.parts
        (run,) = part.scenarios
        if part.verdict is Verdict.FAIL:
            found = [f"{finding.kind}: {finding.says}" for finding in run.findings] or list(run.why)
            found += [f"policy: {each.text}" for each in part.objectives if each.verdict is Verdict.FAIL]
            raise ScenarioFailed("\n".join((*found, f"replay: {run.replay}", self._report())))

    def _report(self) -> str:
        return f"report: {self.result.directory / 'report.html'}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:  # noqa: ARG002
        """The message alone where it was written for a reader."""
        from chaos.errors import HarnessError
        from scenarios.target_program import TargetError

        if isinstance(excinfo.value, ScenarioFailed | Inconclusive | HarnessError | TargetError):
            return f"{type(excinfo.value).__name__}: {excinfo.value}"
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it is written and what it claims."""
        return self.path, None, f"scenario {self.name}: {self.scenario.claim}"
