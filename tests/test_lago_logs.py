"""The shipped pack on lines that Lago wrote: exactly the events that happened, with what their lines show."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from extractor.ruleset.evaluate import Origin, evaluate
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.examples import PlainMemory
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.outcome import Rejection, resolve
from tests.packs import assemble, logical, message, shipped_pack

DATA = Path(__file__).parent / "data"
VERSIONS = ["lago-1.51", "lago-1.27"]
VARIABLES = {"hosting_type": "self", "version": "v1.51.0"}
JOBS = {
    "organization_registered",
    "billable_metric_created",
    "plan_created",
    "add_on_created",
    "invoice_created",
}
UNKNOWABLE = {"lago-1.51": [("subscription_created", "api.log", 18474)], "lago-1.27": []}
"""A GraphQL mutation that failed: it answers 200, and its line does not tell."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Lines of one organization, and what they show."""

    folder: Path

    @property
    def truth(self) -> dict[str, Any]:
        """What the app's own answers say."""
        read: dict[str, Any] = json.loads((self.folder / "facts.json").read_text(encoding="utf-8"))
        return read

    @property
    def canaries(self) -> list[str]:
        """Private values in the lines."""
        return (self.folder / "canaries.txt").read_text(encoding="utf-8").split("\n")[:-1]

    def read(self, *files: str) -> Iterator[Event | Rejection]:
        """What the lines of these files give, each fact once, as the outbox would keep it."""
        ready = ReadyRules(assemble(shipped_pack(), variables=VARIABLES))
        memory, seen = PlainMemory(), set[str]()
        for file in files:
            start = 0
            for line in (self.folder / file).read_bytes().split(b"\n"):
                origin = Origin(path=file, time=1_800_000_000, time_source=TimeSource.MODIFIED)
                outcome = evaluate(logical(line, start=start), origin, ready)
                for one in [*outcome.rejections, *resolve(outcome, memory)]:
                    if not isinstance(one, Event):
                        yield one
                    elif one.message_id not in seen:
                        seen.add(one.message_id)
                        yield one
                start += len(line) + 1

    def events(self, *files: str) -> list[Event]:
        """The events among them."""
        return [one for one in self.read(*files) if isinstance(one, Event)]


@pytest.fixture(params=VERSIONS)
def sample(request: pytest.FixtureRequest) -> Sample:
    """One of the samples."""
    return Sample(DATA / request.param)


def test_exactly_what_happened_comes_out(sample: Sample) -> None:
    """Each fact is one event, on a line that shows it, with the properties, the user and the group that are its own."""
    truth = sample.truth
    shown: dict[tuple[str, str, int], list[dict[str, Any]]] = defaultdict(list)
    for fact in truth["facts"]:
        for file, offset in fact["shown_by"]:
            shown[fact["event"], file, offset].append(fact)
    claimed: list[int] = []
    beyond = []
    for event in sample.events("api.log", "worker.log"):
        said = message(event)
        properties = {key: value for key, value in said["properties"].items() if key not in VARIABLES}
        facts = [fact for fact in shown[event.name, event.path, event.offset] if id(fact) not in claimed]
        if not facts:
            beyond.append((event.name, event.path, event.offset))
            continue
        fact = next((fact for fact in facts if fact["properties"] == properties), facts[0])
        claimed.append(id(fact))
        assert properties == fact["properties"]
        assert {key: said["properties"][key] for key in VARIABLES} == VARIABLES
        # The organization has one member, and its first line names it.
        assert said["userId"] == truth["member"]
        assert said["context"]["groupId"] == truth["organization_id"]
    assert beyond == UNKNOWABLE[sample.folder.name]
    assert len(claimed) == len(truth["facts"])


def test_the_worker_s_log_alone_shows_all_that_jobs_show(sample: Sample) -> None:
    """Where only one of the files can be read, any line of a job is enough."""
    wanted = Counter(fact["event"] for fact in sample.truth["facts"] if fact["event"] in JOBS)
    assert Counter(event.name for event in sample.events("worker.log")) == wanted


def test_the_same_ids_whichever_file_is_read_first(sample: Sample) -> None:
    """A fact on lines of two files is one: its id does not say where it was found."""
    ids = [{event.message_id for event in sample.events(*files) if event.name in JOBS} for files in (
        ("api.log", "worker.log"), ("worker.log", "api.log"), ("worker.log",),
    )]  # fmt: skip
    assert ids[0] == ids[1] == ids[2]


def test_no_private_value_leaves(sample: Sample) -> None:
    """E-mails, names, phones, amounts, tax numbers, addresses, keys and the customers' own ids stay where they are."""
    leaving = "\n".join(
        json.dumps(message(event), ensure_ascii=False) for event in sample.events("api.log", "worker.log")
    )
    written = "".join(
        (sample.folder / file).read_text(encoding="utf-8") for file in ("api.log", "worker.log")
    ).lower()
    assert len(sample.canaries) > 200
    assert [canary for canary in sample.canaries if canary.lower() not in written] == []
    assert [canary for canary in sample.canaries if canary.lower() in leaving.lower()] == []


def test_what_is_left_out_is_counted(sample: Sample) -> None:
    """Names in which something private stands, updates of what is known, statuses that stay: reasons, and no values."""
    rejections = [one for one in sample.read("api.log", "worker.log") if isinstance(one, Rejection)]
    reasons = Counter(one.reason.value for one in rejections)
    assert reasons.keys() == {"already_seen", "unchanged", "looks_private"}
    assert not any(canary in repr(rejections) for canary in sample.canaries)
