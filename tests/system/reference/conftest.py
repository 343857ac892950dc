"""One Redis a test process, emptied before each test; workers end with the test that started them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from system.reference import Queue, Settings, connect
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import Worker, running


@pytest.fixture(scope="session")
def redis_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_server(redis_session: RedisServer) -> RedisServer:
    assert redis_session.process
    if redis_session.process.poll() is not None:
        redis_session.start()
    redis_session.client().flushall()
    return redis_session


@pytest.fixture
def redis(redis_server: RedisServer) -> Client:
    return redis_server.client()


@pytest.fixture
def queue(redis_server: RedisServer) -> Queue:
    return Queue("default", connect(redis_server.url_of("producer")), Settings())


@pytest.fixture
def worker(redis_server: RedisServer) -> Callable[..., AbstractContextManager[Worker]]:
    """Spawns a worker for as long as a `with` lasts; settings by name."""
    return partial(running, redis_server.url_of("worker"))


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Where job bodies note what happened."""
    return tmp_path / "notes"
