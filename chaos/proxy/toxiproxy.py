"""Toxiproxy: its server, and a thin wrap of toxiproxy-python that reads back what each call did.

The library's traps, all of them met: one server a process (its address is a class attribute), no timeouts, the
machine's HTTP proxy is used even for loopback, a 500 passes for success, ``enable`` on a taken port reports True, and
misspelt attributes are accepted. So every change is followed by a look at the proxy, and a difference is an error.
"""

import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import requests
import toxiproxy.api
from toxiproxy import Proxy, Toxiproxy

from chaos.binaries import Binary
from chaos.campaign import Campaign, log_tail
from chaos.errors import HarnessError
from chaos.probe import ping_s
from chaos.procfs import established

HTTP_TIMEOUT_S: Final = 5.0
START_S_MAX: Final = 10.0
POLL_S: Final = 0.005
STREAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "latency": ("downstream",),  # Redis' answers come late
    "reset_peer": ("upstream", "downstream"),  # whichever side sends first meets a reset
    "limit_data": ("downstream",),  # Redis' answers end in mid-sentence
}


class ToxiproxyError(HarnessError):
    """Toxiproxy refused, did not answer, or did something else than it was told."""


class _Session(requests.Session):
    """What the library calls instead of the bare ``requests`` module."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False

    def request(self, *args: Any, **options: Any) -> requests.Response:  # noqa: ANN401  # passed through
        response = super().request(*args, **{"timeout": HTTP_TIMEOUT_S, **options})
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise requests.HTTPError(f"{response.status_code} {response.text.strip()}")
        return response


_lock = threading.RLock()  # the library's address and session are one a process
toxiproxy.api.requests = _Session()


class ToxiproxyServer:
    """One server, for all scenarios of a campaign. Its proxies are made by ``link``."""

    def __init__(self, campaign: Campaign, binary: Binary, log: Path) -> None:
        """Nothing is started before it is entered."""
        self.campaign, self.binary, self.log = campaign, binary, log
        self.version = f"{binary.name} {binary.version}"

    def __enter__(self) -> Self:
        """Start it and wait until it answers. Raises ``HarnessError``."""
        self.port = self.campaign.ports.take()
        argv = [str(self.binary.path), "-host", "127.0.0.1", "-port", str(self.port)]
        self._child = self.campaign.spawn(argv, log=self.log, variables={"LOG_LEVEL": "error"})
        end_s = time.monotonic() + START_S_MAX
        while True:
            self.check()
            try:
                self.proxies()
            except ToxiproxyError:
                if time.monotonic() > end_s:
                    raise ToxiproxyError(self._says(f"does not answer {START_S_MAX:g} s after its start")) from None
                time.sleep(POLL_S)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._child.kill()
        self._child.wait()
        self.campaign.ports.give_back(self.port)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._child.pid

    def check(self) -> None:
        """Raise ``HarnessError`` if it is not running."""
        if self._child.poll() is not None:
            raise ToxiproxyError(self._says(f"ended with {self._child.returncode}"))

    def link(self, name: str, client: str, upstream_port: int) -> "ProxyLink":
        """Make the proxy ``name`` on a port of its own, for ``client``. Raises ``HarnessError``."""
        port = self.campaign.ports.take()
        listen, upstream = f"127.0.0.1:{port}", f"127.0.0.1:{upstream_port}"
        with self.api() as api:
            api.create(upstream=upstream, name=name, listen=listen, enabled=True)
        made = ProxyLink(self, name, client, port)
        made.expect(enabled=True, toxics={})
        return made

    def proxies(self) -> Mapping[str, Proxy]:
        """All of the server's proxies by name."""
        with self.api() as api:
            found: Mapping[str, Proxy] = api.proxies()
            return found

    def api(self) -> "_Api":
        """The library's client, pointed at this server for the length of a ``with``."""
        return _Api(self.port)

    def _says(self, what: str) -> str:
        return (
            f"{self.binary.path} {what}; the end of {self.log}:\n{log_tail(self.log)}\n"
            "  Run again; `stormproof doctor` shows what it needs"
        )


class _Api:
    def __init__(self, port: int) -> None:
        self.port = port

    def __enter__(self) -> Toxiproxy:
        _lock.acquire()
        api = Toxiproxy()
        api.update_api_consumer("127.0.0.1", self.port)
        return api

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _lock.release()
        if isinstance(error, HarnessError):
            return
        # KeyError: the library reads an error's JSON as if it were a proxy
        if isinstance(error, Exception):
            raise ToxiproxyError(f"Toxiproxy on port {self.port}: {type(error).__name__}: {error}") from error


class ProxyLink:
    """One client's proxy. What is done to it is remembered by who did it, so that overlapping faults heal apart."""

    def __init__(self, server: ToxiproxyServer, proxy: str, client: str, port: int) -> None:
        """Made by ``ToxiproxyServer.link``."""
        self.server, self.proxy, self.name, self.port = server, proxy, client, port
        self._cut_by: set[str] = set()

    @property
    def url(self) -> str:
        """Redis URL through the proxy."""
        return f"redis://127.0.0.1:{self.port}/0"

    def cut(self, by: str) -> None:
        """Drop all connections and refuse new ones."""
        with _lock:
            self._cut_by.add(by)
            self._enable(enabled=False)

    def mend(self, by: str) -> None:
        """Listen again, if nobody else has cut it."""
        with _lock:
            self._cut_by.discard(by)
            if not self._cut_by:
                self._enable(enabled=True)

    def poison(self, by: str, kind: str, attributes: Mapping[str, int]) -> None:
        """Add the toxic ``kind`` to the streams that it belongs to."""
        with _lock:
            with self.server.api():
                for stream in STREAMS[kind]:
                    name = f"{by}-{stream}"
                    self._get().add_toxic(name=name, type=kind, stream=stream, attributes=dict(attributes))
            found = {name: toxic.attributes for name, toxic in self._toxics(by).items()}
            wanted = {f"{by}-{stream}": dict(attributes) for stream in STREAMS[kind]}
            if found != wanted:
                raise ToxiproxyError(f"proxy {self.proxy} was given the toxics {wanted}; it has {found}")

    def cure(self, by: str) -> None:
        """Remove what ``poison`` added."""
        with _lock:
            with self.server.api():
                for name in self._toxics(by):
                    self._get().destroy_toxic(name)
            if left := self._toxics(by):
                raise ToxiproxyError(f"proxy {self.proxy} still has the toxics {', '.join(left)}")

    def remove(self) -> None:
        """Delete the proxy and give its port back."""
        with self.server.api() as api:
            proxy = api.get_proxy(self.proxy)
            if proxy is not None:
                proxy.destroy()
        self.server.campaign.ports.give_back(self.port)

    def connections(self) -> frozenset[int]:
        """The client's open connections, each by the client's port."""
        return established(self.port)

    def probe(self, timeout_s: float = 1.0) -> float | None:
        """Seconds that a PING through it takes; None: no answer."""
        return ping_s("127.0.0.1", self.port, timeout_s)

    def expect(self, *, enabled: bool, toxics: Mapping[str, object]) -> None:
        """Read the proxy back; raise ``ToxiproxyError`` if it is otherwise."""
        proxy = self._get()
        if proxy.enabled != enabled:
            raise ToxiproxyError(
                f"proxy {self.proxy} should be {'on' if enabled else 'off'} and is not"
                f" (is port {self.port} taken by somebody else?)"
            )
        if set(self._toxics("")) != set(toxics):
            raise ToxiproxyError(f"proxy {self.proxy} should have the toxics {toxics}, and has {self._toxics('')}")

    def _enable(self, *, enabled: bool) -> None:
        with self.server.api():
            proxy = self._get()
            if proxy.enabled != enabled:
                (proxy.enable if enabled else proxy.disable)()
        if self._get().enabled != enabled:
            raise ToxiproxyError(
                f"proxy {self.proxy} did not go {'on' if enabled else 'off'}"
                f" (is port {self.port} taken by somebody else?)"
            )

    def _get(self) -> Proxy:
        with self.server.api() as api:
            proxy = api.get_proxy(self.proxy)
            if proxy is None:
                raise ToxiproxyError(f"Toxiproxy on port {self.server.port} has no proxy {self.proxy} any more")
            return proxy

    def _toxics(self, by: str) -> dict[str, Any]:
        with self.server.api():
            found: dict[str, Any] = self._get().toxics()
            return {name: toxic for name, toxic in found.items() if name.startswith(by)}
