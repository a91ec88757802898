"""Commands called as from a shell, in this process: their exit code and what they print; logs to read."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from extractor.cli.app import app
from extractor.cli.guard import guarded

LOGS = Path(__file__).parent.parent / "examples" / "lago"
ORGANIZATION = "0eb22b12-d903-4cfa-b55f-77e5847bf330"
MEMBER = "membership/7db1e4be-02be-4994-b5ae-66e384ce9270"

CONFIG = """\
sources: [{paths: [api.log, worker.log, clock.log]}]
rules: [lago]
variables: {hosting_type: self, version: "1.51.0"}
installation: of-the-tests
state_dir: ./state
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Shell:
    """A folder with a config `extractor.yaml`, which is the current one."""

    folder: Path
    capture: pytest.CaptureFixture[bytes]

    def __call__(self, *arguments: str) -> Said:
        """Call `extractor ARGUMENTS`."""
        self.capture.readouterr()
        code = 0
        with restored_signals():
            try:
                guarded(lambda: app(list(arguments)))
            except SystemExit as left:
                code = int(left.code or 0)
        read = self.capture.readouterr()
        return Said(code, read.out.decode(), read.err.decode())

    def write(self, name: str, content: str | bytes | Sequence[str]) -> Path:
        """Write a file: text, bytes, or lines."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(
                content if isinstance(content, str) else "".join(f"{line}\n" for line in content),
                encoding="utf-8",
            )
        return path


@contextmanager
def restored_signals() -> Iterator[None]:
    """A command may set what SIGTERM and SIGINT do; the tests need pytest's own."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def customer_line(external_id: str, *, status: int = 200, organization: str = ORGANIZATION) -> str:
    """A request that makes or updates a customer; has no time."""
    return (
        '{"method":"POST","path":"/api/v1/customers","format":"json","controller":"Api::V1::CustomersController",'
        f'"action":"create","status":{status},"params":{{"customer":{{"external_id":"{external_id}"}}}},'
        f'"organization_id":"{organization}"}}'
    )


def deletion_line(external_id: str) -> str:
    """A request that deletes a customer."""
    return (
        f'{{"method":"DELETE","path":"/api/v1/customers/{external_id}","format":"json",'
        '"controller":"Api::V1::CustomersController","action":"destroy","status":200,'
        f'"params":{{"external_id":"{external_id}"}},"organization_id":"{ORGANIZATION}"}}'
    )
