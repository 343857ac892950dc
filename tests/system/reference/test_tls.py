"""TLS as a real server speaks it, with certificates made for the test: right ones work, others are refused."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from system.reference import Queue, Rejected, Settings, load
from system.reference.link import Link, LinkDown
from tests.system.reference import jobs
from tests.system.reference.server import RedisServer, free_port
from tests.system.reference.workers import running, wait_until


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority in a folder of its own."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def found(self) -> "Authority":
        self.folder.mkdir()
        self._openssl("req", "-x509", *NEW_KEY, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
        return self

    def issue(self, name: str, subject: str) -> tuple[Path, Path]:
        """Certificate and key."""
        (self.folder / "names").write_text(f"subjectAltName={subject}\n")
        self._openssl("req", *NEW_KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def _openssl(self, *arguments: str) -> None:
        try:
            subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("no openssl program to make certificates with")


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Secured:
    server: RedisServer
    port: int
    ours: Authority
    other: Authority

    def url(self, role: str, ca: Path | None, *options: str, host: str = "127.0.0.1") -> str:
        told = [f"password_file={self.server.password_file}", *([f"ssl_ca_certs={ca}"] if ca else []), *options]
        return f"rediss://stormq-{role}@{host}:{self.port}/0?{'&'.join(told)}"

    def client_certificate(self, authority: Authority) -> tuple[str, str]:
        return f"ssl_certfile={authority.folder / 'client.pem'}", f"ssl_keyfile={authority.folder / 'client.key'}"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A Redis that speaks TLS only to those who show a certificate of our authority."""
    folder, port = tmp_path_factory.mktemp("tls"), free_port()
    ours, other = Authority(folder / "ours").found(), Authority(folder / "other").found()
    cert, key = ours.issue("server", "IP:127.0.0.1")
    ours.issue("client", "DNS:client")
    other.issue("client", "DNS:client")
    options = ["--tls-port", str(port), "--tls-cert-file", str(cert), "--tls-key-file", str(key)]
    server = RedisServer(folder, *options, "--tls-ca-cert-file", str(ours.ca), "--tls-auth-clients", "yes")
    server.start()
    yield Secured(server, port, ours, other)
    server.kill()


def test_producer_and_worker_over_tls(secured: Secured) -> None:
    shown = secured.client_certificate(secured.ours)
    redis = secured.server.client()
    queue = Queue("default", secured.url("producer", secured.ours.ca, *shown))
    with running(secured.url("worker", secured.ours.ca, *shown)):
        assert queue.enqueue(jobs.add, 1, 2, job_id="j").outcome == "applied"
        wait_until(lambda: redis.hget("rq:job:j", "status") == "finished")


def refusals(secured: Secured) -> dict[str, tuple[str, str]]:
    shown, foreign = secured.client_certificate(secured.ours), secured.client_certificate(secured.other)
    return {
        "a server of another authority": ("CERTIFICATE_VERIFY_FAILED", secured.url("ROLE", secured.other.ca, *shown)),
        "the system's authorities alone": ("CERTIFICATE_VERIFY_FAILED", secured.url("ROLE", None, *shown)),
        "a server of another name": (
            "CERTIFICATE_VERIFY_FAILED",
            secured.url("ROLE", secured.ours.ca, *shown, host="localhost"),
        ),
        "a client without certificate": ("no connection|SSL|closed|reset|pipe", secured.url("ROLE", secured.ours.ca)),
        "a client of another authority": (
            "no connection|SSL|closed|reset|pipe",
            secured.url("ROLE", secured.ours.ca, *foreign),
        ),
        "a certificate that is not there": ("No such file", secured.url("ROLE", secured.ours.folder / "absent.pem")),
    }


@pytest.mark.parametrize(
    "what",
    [
        "a server of another authority",
        "the system's authorities alone",
        "a server of another name",
        "a client without certificate",
        "a client of another authority",
        "a certificate that is not there",
    ],
)
def test_what_is_not_trusted_is_refused_by_both_clients(secured: Secured, what: str) -> None:
    said, url = refusals(secured)[what]
    redis = secured.server.client()
    queue = Queue("refused", url.replace("ROLE", "producer"), Settings(enqueue_timeout_s=0.2))
    with pytest.raises(Rejected, match=said):
        queue.enqueue(jobs.nothing)
    with pytest.raises(LinkDown, match=said):
        Link(url.replace("ROLE", "worker"), "test", load(), 2.0).exchange([("PING",)])
    assert redis.exists("rq:queue:refused") == 0


def test_verification_can_be_switched_off(secured: Secured) -> None:
    shown = secured.client_certificate(secured.ours)
    url = secured.url("worker", secured.other.ca, *shown, "ssl_cert_reqs=none", host="localhost")
    assert Link(url, "test", load(), 2.0).exchange([("PING",)]) == [b"PONG"]


def test_plain_text_is_not_spoken_on_the_tls_port(secured: Secured) -> None:
    url = secured.server.url_of("worker").replace(f":{secured.server.port}/", f":{secured.port}/")
    with pytest.raises(LinkDown):
        Link(url, "test", load(), 0.5).exchange([("PING",)])
