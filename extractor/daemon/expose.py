"""`/metrics`, `/healthz` and `/readyz`, for Prometheus and for whatever restarts us.

One thread serves, one request after the other: it reads the state over one connection, and a client that is slow is
hung up on. Answers hold counts and bounded words, never a value.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

import extractor
from extractor import telemetry
from extractor.config import Listen
from extractor.daemon.observe import Health, Observer
from extractor.learning.alarm import judge, last_line
from extractor.logs import tell
from extractor.store import StatusSnapshot, Store, StoreError
from extractor.telemetry import Metric, MetricKind, Trouble

CLIENT_TIMEOUT_S = 5.0
"""Who needs longer to ask, or to take the answer, is not served."""

Sample = tuple[Metric, tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Running:
    """What gauges are read from.

    Attributes:
        store: The state.
        open_files: How many log files are held open.
        watching: Whether notifications cover every folder.
    """

    store: Store
    open_files: Callable[[], int]
    watching: Callable[[], bool]


class Scrape(Collector):
    """All metrics, read when asked for. Any thread."""

    def __init__(self, observer: Observer) -> None:
        """Nothing runs yet."""
        self._observer = observer
        self._lock = threading.Lock()
        self._running: Running | None = None

    def attach(self, running: Running) -> None:
        """These run now."""
        with self._lock:
            self._running = running

    def detach(self) -> None:
        """They are about to be closed; returns when no scrape uses them any more."""
        with self._lock:
            self._running = None

    def collect(self) -> Iterable[Family]:
        """One family for each declared metric that has anything to say."""
        families: dict[Metric, CounterMetricFamily | GaugeMetricFamily] = {
            metric: _FAMILIES[metric.kind](metric.name, metric.meaning, labels=metric.labels)
            for metric in telemetry.METRICS
        }
        for metric, labels, value in self._samples():
            families[metric].add_metric(labels, value)
        return families.values()

    def _samples(self) -> Iterator[Sample]:
        counts = self._observer.counts()
        yield from ((metric, labels, number) for (metric, labels), number in counts.items())
        for metric in telemetry.METRICS:
            if metric.kind is MetricKind.COUNTER and not metric.labels and (metric, ()) not in counts:
                yield metric, (), 0
        for loop, at in self._observer.last_steps().items():
            yield telemetry.LAST_STEP, (loop.value,), at
        health = self._observer.health()
        yield telemetry.HEALTHY, (), not health.broken
        yield telemetry.OUTBOX_FULL, (), Trouble.OUTBOX_FULL in health.alarms
        with self._lock:
            if self._running is not None:
                yield from _of_running(self._running)


def _of_running(running: Running) -> Iterator[Sample]:
    yield telemetry.OPEN_FILES, (), running.open_files()
    yield telemetry.WATCHING, (), running.watching()
    try:
        status, seen = running.store.status(), running.store.seen()
    except StoreError:
        return  # health says so
    yield from _of_status(status)
    alarms = {(alarm.rule, alarm.what.value) for alarm in judge(seen, now=status.at)}
    yield from ((telemetry.DRIFT, labels, 1) for labels in sorted(alarms))
    if (last := last_line(seen)) is not None:
        yield telemetry.LAST_LINE, (), last


def _of_status(status: StatusSnapshot) -> Iterator[Sample]:
    there = [file for file in status.files if file.gone_since is None]
    yield telemetry.INFO, (extractor.__version__, status.destination), 1
    yield telemetry.FILES, ("present",), len(there)
    yield telemetry.FILES, ("gone",), len(status.files) - len(there)
    yield telemetry.UNREAD_BYTES, (), sum(file.lag for file in there)
    yield telemetry.OUTBOX_EVENTS, (), status.outbox_rows
    yield telemetry.OUTBOX_BYTES, (), status.outbox_bytes
    if status.outbox_oldest is not None:
        yield telemetry.OUTBOX_OLDEST, (), status.outbox_oldest
    yield telemetry.DEAD_LETTERS, (), status.dead_letters
    yield telemetry.OPTED_OUT, (), status.opt_out is not None
    if status.hold is not None:
        yield telemetry.HELD, (status.hold.reason,), 1
    for rule in status.rules:
        yield telemetry.RULE_LAST_MATCH, (rule.rule,), rule.last_at


_FAMILIES: dict[MetricKind, type[CounterMetricFamily | GaugeMetricFamily]] = {
    MetricKind.COUNTER: CounterMetricFamily,
    MetricKind.GAUGE: GaugeMetricFamily,
}


class Exposure:
    """The HTTP server. What cannot be listened on is told, and nothing else suffers."""

    def __init__(self, scrape: Scrape, observer: Observer) -> None:
        """Nothing is opened yet."""
        self._registry = CollectorRegistry()
        self._registry.register(scrape)
        ProcessCollector(registry=self._registry)
        self._observer = observer
        self._listen: Listen | None = None
        self._server: _Server | None = None

    @property
    def port(self) -> int | None:
        """Where it listens, which the config may have left to the system (port 0)."""
        return None if self._server is None else int(self._server.server_address[1])

    def serve(self, listen: Listen | None) -> None:
        """Listen there from now on, or nowhere. The thread ends with the process, whatever it is doing."""
        if listen == self._listen and (self._server is not None or listen is None):
            return
        self.close()
        self._listen = listen
        if listen is None:
            return
        try:
            self._server = server = _Server(listen, self._registry, self._observer)
        except OSError as error:
            address = f"{listen.host}:{listen.port}"
            tell(
                telemetry.METRICS_UNAVAILABLE, address=address, problem=error.strerror or type(error).__name__
            )
            return
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Listen no more; up to half a second until what is being served is over."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(HTTPServer):
    """Like its parent, but for IPv6 too, and without asking a name server who we are."""

    request_queue_size = 16

    def __init__(self, listen: Listen, registry: CollectorRegistry, observer: Observer) -> None:
        self.registry = registry
        self.observer = observer
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family = found[0][0]
        super().__init__((listen.host, listen.port), _Handler)

    def server_bind(self) -> None:
        """Bind, and no more."""
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    """Three pages, for GET and HEAD."""

    timeout = CLIENT_TIMEOUT_S
    server: _Server
    server_version = "extractor"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            render, kind = choose_encoder(self.headers.get("Accept") or "")
            self._answer(HTTPStatus.OK, kind, render(self.server.registry))
            return
        health = self.server.observer.health()
        if path == "/healthz":
            self._tell(health, well=not health.broken)
        elif path == "/readyz":
            self._tell(health, well=not (health.broken or health.alarms))
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics /healthz /readyz\n")

    def do_HEAD(self) -> None:
        """The same without a body."""
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Requests are not logged."""

    def _tell(self, health: Health, *, well: bool) -> None:
        said = {"status": "ok" if well else "failing", "troubles": [*health.broken, *health.alarms]}
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, "application/json", json.dumps(said).encode() + b"\n")

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
