"""A queue has one configuration: in a process, in a version, over all workers."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from system.reference import Queue, Settings, connect, load
from system.reference.commands_config import activate_config
from system.reference.config import Config
from system.reference.config_file import load_config
from system.reference.registration import Registration, RegistrationError, register_arguments
from tests.system.reference import jobs, workers
from tests.system.reference.server import Client, RedisServer

wait_until = partial(workers.wait_until, within_s=60.0)  # a worker is several processes to start
TEXT = """\
version = {version}
environment = "test"
[worker]
lease_s = 1.2
heartbeat_s = 0.3
sweep_interval_s = 0.2
poll_s = 0.5
drain_s = 5
[defaults]
timeout_s = {timeout_s}
grace_s = 0.5
[queues.email]
concurrency = 3
[queues.reports]
"""


def config_file(folder: Path, name: str, version: int, timeout_s: float = 20, more: str = "") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(TEXT.format(version=version, timeout_s=timeout_s) + more, "utf-8")
    return path


class Configured:
    """`stormq worker --config` as a program; what it says is kept."""

    def __init__(self, url: str, config: Path, *extra: str) -> None:
        command = [sys.executable, "-m", "system.reference.cli", "worker", "--redis-url", url]
        self.process = subprocess.Popen(
            [*command, "--config", str(config), *extra], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.said.append(line)

    @property
    def text(self) -> str:
        return "".join(self.said)

    def ends(self, within_s: float = 60) -> int:
        code = self.process.wait(within_s)
        self._reader.join(5)
        return code

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(0.5)
                self.process.terminate()  # the second one does not wait for running jobs
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._reader.join(5)


@contextmanager
def configured(url: str, config: Path, *extra: str) -> Iterator[Configured]:
    worker = Configured(url, config, *extra)
    try:
        yield worker
    finally:
        worker.end()


def stormq(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "system.reference.cli", *arguments, "--redis-url", url]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def registered(redis: Client, queue: str = "email") -> str:
    return str(redis.hget(f"rq:sp:ctl:{queue}", "version"))


def loaded(path: Path) -> Config:
    return load_config(path, {})


def registers(redis: Client, config: Config) -> None:
    """What a worker of this configuration does at its start. Raises ``RegistrationError``."""
    scripts = load()
    for text in scripts.texts.values():
        redis.script_load(text)
    registration = Registration(config, tuple(config.queues), "w", scripts)
    registration.judge([redis.execute_command(*command) for command in registration.commands()])


def test_two_queues_of_one_name_and_other_settings_name_both_places(redis_server: RedisServer) -> None:
    redis = connect(redis_server.url_of("operator"))
    first = Queue("email", redis, Settings(timeout_s=10))  # held, or it could not be at odds
    with pytest.raises(RegistrationError) as caught:
        Queue("email", redis, Settings(timeout_s=11))
    (problem,) = caught.value.problems
    assert first.settings.timeout_s == 10
    line = test_two_queues_of_one_name_and_other_settings_name_both_places.__code__.co_firstlineno
    assert f"{__file__}:{line + 2}" in problem
    assert f"{__file__}:{line + 4}" in problem


def test_what_is_no_second_registration(redis_server: RedisServer) -> None:
    redis = connect(redis_server.url_of("operator"))
    kept = [
        Queue("email", redis, Settings(timeout_s=10)),
        Queue("email", redis, Settings(timeout_s=10)),
        Queue("email", redis, Settings(timeout_s=10, enqueue_timeout_s=1)),  # how a producer tries is its own matter
        Queue("email", redis),
        Queue("reports", redis, Settings(timeout_s=12)),
        Queue("email", "redis://127.0.0.1:1/0", Settings(timeout_s=13)),  # another Redis
    ]
    kept.clear()  # what is gone can't be at odds
    Queue("email", redis, Settings(timeout_s=14))


def test_one_version_with_two_contents_names_both_files(redis: Client, tmp_path: Path) -> None:
    one, two = config_file(tmp_path, "one", 3), config_file(tmp_path, "two", 3, timeout_s=21)
    registers(redis, loaded(one))
    registers(redis, loaded(one))
    with pytest.raises(RegistrationError) as caught:
        registers(redis, loaded(two))
    text = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 2  # each queue is told
    assert f"{one}:12 [queues.email]" in text
    assert f"{two}:12 [queues.email]" in text
    assert redis.hget("rq:sp:ctl:email", "place").startswith(str(one))


def test_an_older_version_must_be_activated(redis: Client, redis_server: RedisServer, tmp_path: Path) -> None:
    old, new = loaded(config_file(tmp_path, "old", 3)), loaded(config_file(tmp_path, "new", 4, timeout_s=21))
    registers(redis, old)
    registers(redis, new)
    with pytest.raises(RegistrationError, match="superseded by version 4"):
        registers(redis, old)
    before = activate_config(connect(redis_server.url_of("operator")), old, "alice", "here", "version 4 fails")
    assert before == {"email": 4, "reports": 4}
    registers(redis, old)
    other = loaded(config_file(tmp_path, "other", 3, timeout_s=22))
    with pytest.raises(RegistrationError, match="two configurations"):
        activate_config(connect(redis_server.url_of("operator")), other, "alice", "here", "wrong file")
    lines = [fields for _, fields in redis.xrange("rq:sp:audit") if fields["action"] == "activate"]
    assert {(line["queue"], line["actor"], line["reason"]) for line in lines} == {
        ("email", "alice", "version 4 fails"),
        ("reports", "alice", "version 4 fails"),
    }


def test_activate_as_a_program(redis: Client, redis_server: RedisServer, tmp_path: Path) -> None:
    url, one = redis_server.url_of("operator"), config_file(tmp_path, "one", 3)
    done = stormq(url, "activate", str(one), "--reason", "first of all", "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told == [{"queue": name, "version": 3, "before": 0} for name in ("email", "reports")]
    assert "email: version 3 holds (before: 3)" in stormq(url, "activate", str(one), "--reason", "again").stdout
    two = config_file(tmp_path, "two", 3, timeout_s=21)
    done = stormq(url, "activate", str(two), "--reason", "the wrong file")
    assert done.returncode == 2
    assert str(one) in done.stderr
    assert str(two) in done.stderr
    assert registered(redis) == "3"
    assert stormq(url, "activate", str(one)).returncode == 2  # for what reason?


def test_limits_of_the_file_are_what_redis_knows(redis: Client, tmp_path: Path) -> None:
    more = "rate = { n = 5, window_s = 2 }\nbreaker = { rate = 0.25 }\n[audit]\nexecutions = true\n"
    config = loaded(config_file(tmp_path, "one", 3, more=more))
    registers(redis, config)
    held = redis.hgetall("rq:sp:ctl:reports")
    assert {name: held[name] for name in config.queues["reports"].limits()} == {
        name: str(value) for name, value in config.queues["reports"].limits().items()
    }
    assert (held["version"], held["digest"]) == ("3", config.queues["reports"].digest())
    assert held["rate_window_us"] == "2000000"
    assert redis.hget("rq:sp:ctl:email", "concurrency") == "3"
    registers(redis, loaded(config_file(tmp_path, "two", 4)))
    assert redis.hget("rq:sp:ctl:reports", "rate_n") is None  # what a new version does not limit is free


def test_register_arguments_say_where(tmp_path: Path) -> None:
    config = loaded(config_file(tmp_path, "one", 3))
    place = str(register_arguments(config.queues["email"], 3, 0, "a", "o", "r")[3])
    assert place.startswith(f"{tmp_path / 'one.toml'}:12 [queues.email] on ")


def test_worker_programs_conflict_at_their_start_naming_both(
    redis: Client, redis_server: RedisServer, tmp_path: Path
) -> None:
    one, two = config_file(tmp_path, "one", 3), config_file(tmp_path, "two", 3, timeout_s=21)
    with ExitStack() as stack:
        first = stack.enter_context(configured(redis_server.url_of("worker"), one))
        wait_until(lambda: registered(redis) == "3")
        second = stack.enter_context(configured(redis_server.url_of("worker"), two))
        assert second.ends() == 2
        for path in (one, two):
            assert f"{path}:12 [queues.email]" in second.text
        assert "Traceback" not in second.text
        third = stack.enter_context(
            configured(redis_server.url_of("worker"), one, "--max-attempts", "9")
        )  # an option counts, too
        assert third.ends() == 2
        assert first.process.poll() is None
        Queue("email", redis_server.url_of("producer")).enqueue(jobs.add, 1, 2, job_id="j")
        wait_until(lambda: redis.hget("rq:job:j", "status") == "finished")


def test_a_version_whose_slots_cannot_start_supersedes_nobody(
    redis: Client, redis_server: RedisServer, tmp_path: Path
) -> None:
    old = config_file(tmp_path, "old", 3)
    broken = config_file(tmp_path, "broken", 4)
    broken.write_text(broken.read_text().replace("[worker]\n", '[worker]\npreload = ["no_such_module"]\n'))
    with configured(redis_server.url_of("worker"), old) as first:
        wait_until(lambda: registered(redis) == "3")
        with configured(redis_server.url_of("worker"), broken) as second:
            wait_until(lambda: "died before it was ready" in second.text)
            assert registered(redis) == "3"
            assert second.process.poll() is None
        assert first.process.poll() is None
        Queue("email", redis_server.url_of("producer")).enqueue(jobs.add, 1, 2, job_id="j")
        wait_until(lambda: redis.hget("rq:job:j", "status") == "finished")


def test_a_store_that_lost_the_configuration_is_told_again(
    redis: Client, redis_server: RedisServer, tmp_path: Path
) -> None:
    with configured(redis_server.url_of("worker"), config_file(tmp_path, "one", 3)):
        wait_until(lambda: registered(redis) == "3")
        redis.delete("rq:sp:ctl:email")
        wait_until(lambda: registered(redis) == "3")
        assert redis.hget("rq:sp:ctl:email", "concurrency") == "3"
