"""A test that is skipped says why; one that does not fails, so that nothing is left out in silence."""

from collections.abc import Generator
from typing import TypeVar

import pytest

SAYS_NOTHING = frozenset({"", "unconditional skip"})  # what `pytest.skip("")` and a bare `mark.skip` leave
Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def judged(report: Report) -> Report:
    """The report, as a failure if it is a skip without a reason."""
    if report.skipped and isinstance(report.longrepr, tuple) and not hasattr(report, "wasxfail"):
        path, line, text = report.longrepr
        if str(text).removeprefix("Skipped").removeprefix(":").strip() in SAYS_NOTHING:
            report.outcome = "failed"
            report.longrepr = (
                f"{path}:{line}: skipped without a reason; say it: pytest.skip(reason), mark.skip(reason=...)"
            )
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return judged((yield))
