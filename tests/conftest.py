"""What tests of several folders need."""

from typing import Any

import pytest

from tests.skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]  # hooks, found here by name


@pytest.fixture
def engine() -> Any:  # noqa: ANN401  # the client of an optional library
    """A Docker engine that answers."""
    docker = pytest.importorskip("docker")
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException:
        pytest.skip("no Docker engine answers: `make test-docker` starts one where it may")
    return client
