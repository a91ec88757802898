"""Drift: logs that change half way raise an alarm that names rule and field; logs that do not raise none."""

import gzip
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from extractor.decode.envelope import Envelope
from extractor.intake import Intake, Wrapping, origin_of
from extractor.learning.alarm import SILENT_S, Alarm, judge
from extractor.learning.drift import BURST_LOOKS, Drift
from extractor.learning.seen import KIND, MATCH, Seen, Sort, sort_of
from extractor.ruleset.rule import RuleSet
from extractor.source.chunk import Chunk
from extractor.telemetry import DriftKind
from tests.packs import assemble, pack, shipped_pack

DATA = Path(__file__).parents[1] / "data"
VERSIONS = ["lago-1.51", "lago-1.27"]
BATCH = 20
"""Lines between two looks at a live log."""
LATEST = 5
"""By this line of the kind the alarm is there."""


def lines_of(folder: Path, *names: str) -> list[bytes]:
    """The lines of its files, one after the other."""
    return [line for name in names for line in (folder / name).read_bytes().split(b"\n") if line]


def live(drift: Drift, lines: Iterable[bytes]) -> Iterator[tuple[int, tuple[Alarm, ...]]]:
    """Read lines as they come, one a second; what is wrong after each of them."""
    for number, line in enumerate(lines):
        drift.now = float(number)
        if number % BATCH == 0:
            drift.begin_chunk(BATCH)
        drift.glance(line, float(number))
        drift.look(line, float(number))
        yield number, judge(drift.rows, now=float(number))


@pytest.fixture(name="lago", scope="module")
def _lago() -> RuleSet:
    return assemble(shipped_pack())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("names", [("api.log", "worker.log"), ("worker.log", "api.log")])
def test_logs_that_stay_as_they_are_raise_no_alarm(
    version: str, names: tuple[str, ...], lago: RuleSet
) -> None:
    """Failed requests, updates that name nothing, jobs without arguments: all of that is usual, at every moment."""
    for _, alarms in live(Drift(lago), lines_of(DATA / version, *names)):
        assert alarms == ()


def test_going_from_one_version_of_the_app_to_the_other_raises_no_alarm(lago: RuleSet) -> None:
    """What the rules read is the same in both, as the score of their logs shows."""
    *_, (_, alarms) = live(
        Drift(lago), [line for version in reversed(VERSIONS) for line in lines_of(DATA / version, "api.log")]
    )
    assert alarms == ()


def is_of(text: bytes) -> Callable[[bytes], bool]:
    """Lines that hold this."""
    return lambda line: text in line


CUSTOMERS = b'"controller":"Api::V1::CustomersController","action":"create","status":200'
SUBSCRIPTIONS = b'"controller":"Api::V1::SubscriptionsController","action":"create","status":200'
PLANS = b"plan_created"
JOBS = b'"event":"enqueue","status":"success","job":"SegmentTrackJob"'
CHANGES = {
    "field": (
        CUSTOMERS,
        b'"external_id":',
        b'"external_key":',
        "customer-created-rest",
        "params.customer.external_id",
    ),
    "field of the line": (
        SUBSCRIPTIONS,
        b'"organization_id":',
        b'"org":',
        "subscription-created-rest",
        "organization_id",
    ),
    "field of the kind": (CUSTOMERS, b'"action":', b'"act":', "customer-created-rest", "action"),
    "decoded field": (PLANS, b"event: ", b"name: ", "plan-created", "call[0].event"),
    "field to be decoded": (JOBS, b'"arguments":', b'"args":', "member-of-organization", "arguments"),
    "controller": (
        CUSTOMERS,
        b"Api::V1::CustomersController",
        b"Api::V1::ClientsController",
        "customer-created-rest",
        "controller",
    ),
    "version": (
        SUBSCRIPTIONS,
        b"Api::V1::Subscr",
        b"Api::V2::Subscr",
        "subscription-created-rest",
        "controller",
    ),
    "type": (SUBSCRIPTIONS, b'"status":200', b'"status":"200"', "subscription-created-rest", "status"),
    "type of a field": (
        CUSTOMERS,
        b'"organization_id":"',
        b'"organization_id":7,"was":"',
        "customer-created-rest",
        "organization_id",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_half_way_is_named_within_five_lines_of_the_kind(change: str, lago: RuleSet) -> None:
    """A field, a controller, a type: the alarm has the rule and the field, and none came before the change."""
    of, old, new, rule, field = CHANGES[change]
    lines = lines_of(DATA / "lago-1.51", "api.log", "worker.log")
    mine = [number for number, line in enumerate(lines) if of in line and old in line]
    half = mine[len(mine) // 2]
    changed = [line if number < half else line.replace(old, new) for number, line in enumerate(lines)]
    deadline = mine[len(mine) // 2 + LATEST - 1]
    for number, alarms in live(Drift(lago), changed):
        if number < half:
            assert alarms == ()
        elif number == deadline:
            (alarm,) = (one for one in alarms if (one.rule, one.field) == (f"lago/{rule}", field))
            assert f"lago/{rule}" in alarm.words
            assert field in alarm.words
            assert half <= alarm.since <= deadline
            return
    pytest.fail("no line of the kind came after the change")


def test_what_was_kept_goes_on_after_a_restart(lago: RuleSet) -> None:
    """A change while nobody looked is one all the same: counts outlive the process."""
    lines = [line for line in lines_of(DATA / "lago-1.51", "api.log") if CUSTOMERS in line]
    first = Drift(lago)
    list(live(first, lines))
    second = Drift(lago, first.changes())
    renamed = [line.replace(b'"external_id":', b'"external_key":') for line in lines[:LATEST]]
    *_, (_, alarms) = live(second, renamed)
    assert ("lago/customer-created-rest", "params.customer.external_id") in {
        (one.rule, one.field) for one in alarms
    }


def test_an_alarm_ends_when_the_lines_are_as_before(lago: RuleSet) -> None:
    """Nobody has to acknowledge one."""
    lines = [line for line in lines_of(DATA / "lago-1.51", "api.log") if CUSTOMERS in line]
    broken = [line.replace(b'"external_id":', b'"external_key":') for line in lines]
    states = [bool(alarms) for _, alarms in live(Drift(lago), [*lines, *broken, *lines[:1]])]
    assert states[len(lines) + LATEST - 1]
    assert not states[-1]


def test_what_a_rule_does_not_read_any_more_is_forgotten(lago: RuleSet) -> None:
    """A rule that was mended has no old alarm."""
    row = Seen(rule="lago/customer-created-rest", field="params.old", sort=Sort.MISSING, run=9, lines=9)
    other = Seen(rule="lago/no-such-rule", sort=MATCH, lines=1)
    drift = Drift(lago, [row, other])
    assert drift.rows == []
    assert drift.gone == [row, other]


def test_a_known_kind_and_one_that_a_rule_is_about_never_alarm(lago: RuleSet) -> None:
    """Though its first line comes late, and failed."""
    noise = [b'{"controller":"A","action":"index","method":"GET"}'] * 150
    line = b'{"controller":"Api::V1::%bController","action":"create","method":"POST","status":%d}'
    quiet = [line % (b"Plans", 200), line % (b"Coupons", 422)]
    *_, (_, alarms) = live(Drift(lago), [*noise, *quiet])
    assert alarms == ()
    *_, (_, alarms) = live(Drift(lago), [*noise, *quiet, line % (b"Gifts", 200)])
    assert [(one.what, one.kind) for one in alarms] == [
        (DriftKind.NEW_KIND, "Api::V1::GiftsController#create POST")
    ]


def test_a_rule_that_stopped_matching_while_its_kind_goes_on() -> None:
    """Whatever the reason: the values themselves may have changed."""
    rules = assemble(
        pack(
            "    event: order_placed\n    when: [{field: job, equals: Order}, {field: ok, equals: true}]\n    user: {constant: x}\n"
        )
    )
    good, bad = b'{"job":"Order","ok":true}', b'{"job":"Order","ok":false}'
    lines = [good, bad, good, good, bad, good, good]
    assert [alarms for _, alarms in live(Drift(rules), [*lines, *[bad] * 49])][-1] == ()
    (alarm,) = [alarms for _, alarms in live(Drift(rules), [*lines, *[bad] * 50])][-1]
    assert (alarm.what, alarm.rule, alarm.since) == (DriftKind.STOPPED, "shop/rule-0", 7.0)


def test_no_line_of_the_app_for_a_day() -> None:
    """A changed log level, or a log that went elsewhere; before the first line nothing can be said."""
    row = Seen(kind="A#b GET", sort=KIND, lines=1, since=1.0, last_at=10.0)
    assert judge([row], now=10.0 + SILENT_S) == ()
    (alarm,) = judge([row], now=11.0 + SILENT_S)
    assert (alarm.what, alarm.since) == (DriftKind.SILENT, 10.0)
    assert judge([], now=1e9) == ()


def test_rows_hold_no_value(lago: RuleSet) -> None:
    """Names of rules, fields and kinds only: no private value of the logs stands in them."""
    canaries = (DATA / "lago-1.51" / "canaries.txt").read_text(encoding="utf-8").split("\n")[:-1]
    drift = Drift(lago)
    list(live(drift, lines_of(DATA / "lago-1.51", "api.log", "worker.log")))
    written = repr(drift.rows).lower()
    assert len(drift.rows) > 100
    assert [canary for canary in canaries if canary.lower() in written] == []


def test_a_backlog_is_looked_at_in_part_only(lago: RuleSet) -> None:
    """However many lines a chunk has: what looking costs is bounded by the bytes that were read."""
    line = lines_of(DATA / "lago-1.51", "api.log")[5] + b"\n"
    customers = next(line for line in lines_of(DATA / "lago-1.51", "api.log") if CUSTOMERS in line) + b"\n"
    data = bytearray((line * 20 + customers * 20) * 200)
    intake = Intake(lago, [Wrapping(envelope=Envelope.NONE)], max_line_bytes=1 << 20)
    intake.drift = drift = Drift(lago)
    chunk = Chunk(
        file_id="f", path="/f", lineage="f", source=0, start=0, data=memoryview(data), end=len(data), at=0
    )
    intake.take(chunk, origin_of(chunk, 5.0))
    looked = sum(
        row.lines for row in drift.rows if row.sort == MATCH and row.rule == "lago/customer-created-rest"
    )
    assert BURST_LOOKS <= looked <= BURST_LOOKS + 20
    before = sum(row.lines for row in drift.rows)
    later = replace(chunk, start=len(data), end=2 * len(data))
    intake.take(later, origin_of(later, 6.0))
    assert sum(row.lines for row in drift.rows) - before < 2000


def test_any_value_has_a_sort() -> None:
    """Null and absent are one, and a boolean is no number."""
    values: list[object] = [None, "a", 1, 1.5, True, [], {}]
    assert list(map(sort_of, values)) == [
        Sort.MISSING, Sort.TEXT, Sort.NUMBER, Sort.NUMBER, Sort.BOOLEAN, Sort.LIST, Sort.OBJECT,
    ]  # fmt: skip


def test_lines_inside_an_envelope_and_compressed_ones_are_nothing_special(lago: RuleSet) -> None:
    """The kind is the app's line, whatever is around it."""
    inner = b'{\\"controller\\":\\"Api::V1::EventsController\\",\\"action\\":\\"create\\",\\"method\\":\\"POST\\"}'
    docker = b'{"log":"' + inner + b'\\n","stream":"stdout","time":"2026-11-22T10:00:00.5Z"}\n'
    data = bytearray(gzip.decompress(gzip.compress(docker * 3)))
    intake = Intake(lago, [Wrapping(envelope=Envelope.DOCKER)], max_line_bytes=1 << 20)
    intake.drift = drift = Drift(lago)
    chunk = Chunk(
        file_id="f", path="/f", lineage="f", source=0, start=0, data=memoryview(data), end=len(data), at=0
    )
    intake.take(chunk, origin_of(chunk, 5.0))
    assert [(row.kind, row.lines) for row in drift.rows] == [("Api::V1::EventsController#create POST", 3)]
