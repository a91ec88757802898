"""Chunks to outcomes: lines joined across rotations, checkpoints that wait, sources that want only some lines."""

import json
from dataclasses import replace

import pytest

from extractor import document, rulepacks
from extractor.decode.envelope import Envelope
from extractor.intake import Intake, Wrapping, origin_of
from extractor.intake import take as take_module
from extractor.ruleset.assemble import Choice, Settings, assemble_rules
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.examples import PlainMemory
from extractor.ruleset.load import load_pack
from extractor.ruleset.outcome import resolve
from extractor.ruleset.rule import MessageConstants, RuleSet
from extractor.source.chunk import Chunk
from extractor.telemetry import Reason

ORGANIZATION = "0eb22b12-d903-4cfa-b55f-77e5847bf330"
LINE = (
    '{"level":"info","event":"enqueue","status":"success","job":"SegmentTrackJob",'
    '"job_id":"ced4712e-3d54-42e0-b44e-6b7df3aa28ac","arguments":"{event: \\"organization_registered\\", '
    f'properties: {{organization_id: \\"{ORGANIZATION}\\"}}}}"}}'
)


@pytest.fixture(name="rules")
def _rules() -> RuleSet:
    text, file = rulepacks.shipped("lago")
    constants = MessageConstants(library=("library", "1"), app=("app", "1"))
    return assemble_rules(
        [Choice(pack=load_pack(document.load(text, file)))],
        Settings(installation="test", constants=constants),
    )


def chunk(
    text: str, *, file_id: str = "f", start: int = 0, lineage: str = "app.log", final: bool = False
) -> Chunk:
    """A chunk of a file, as `source` gives it: a view into a larger buffer."""
    raw = text.encode()
    buffer = bytearray(b"before\n" + raw + b"after\n")
    return Chunk(
        file_id=file_id,
        path=f"/logs/{file_id}",
        lineage=lineage,
        source=0,
        start=start,
        data=memoryview(buffer)[7 : 7 + len(raw)],
        at=7,
        end=start + len(raw),
        final=final,
        modified=5.0,
    )


def docker(text: str, *, stream: str = "stdout", tag: str = "lago") -> str:
    """One physical line of Docker's json-file."""
    return json.dumps(
        {"log": text, "stream": stream, "attrs": {"tag": tag}, "time": "2026-11-22T10:00:00.5Z"},
        separators=(",", ":"),
    )


def take(intake: Intake, one: Chunk, *, torn_stays: bool = False) -> tuple[int, dict[str, int]]:
    """How many lines gave something, and where checkpoints may go."""
    taken = intake.take(one, origin_of(one, 9.0), torn_stays=torn_stays)
    return len(taken.outcomes), taken.settled


def test_a_line_is_found_among_others_and_its_offset_is_that_of_its_first_byte(rules: RuleSet) -> None:
    """Offsets are the file's, whatever buffer the bytes lie in."""
    intake = Intake(rules, [Wrapping()], max_line_bytes=1 << 20)
    one = chunk(f"boot banner\n{LINE}\nrest\n", start=100)
    taken = intake.take(one, origin_of(one, 9.0))
    (outcome,) = taken.outcomes
    (event,) = resolve(outcome, PlainMemory())
    assert isinstance(event, Event)
    assert (event.offset, event.path) == (112, "/logs/f")
    assert taken.settled == {"f": one.end}


def test_bare_lines_are_as_old_as_their_file_unless_they_are_read_live(rules: RuleSet) -> None:
    """A backlog does not look like today."""
    old = chunk(LINE + "\n")
    assert (origin_of(old, 9.0).time, origin_of(old, 9.0).time_source) == (5.0, TimeSource.MODIFIED)
    live = replace(old, live=True)
    assert (origin_of(live, 9.0).time, origin_of(live, 9.0).time_source) == (9.0, TimeSource.READ)
    intake = Intake(rules, [Wrapping()], max_line_bytes=1 << 20)
    (outcome,) = intake.take(live, origin_of(live, 9.0)).outcomes
    (event,) = resolve(outcome, PlainMemory())
    assert isinstance(event, Event)
    assert event.time_source is TimeSource.READ


def test_a_checkpoint_waits_at_the_first_piece_until_the_line_ends_in_the_next_file(rules: RuleSet) -> None:
    """A rotation in the middle of a line: the old file's checkpoint moves only with the event."""
    intake = Intake(rules, [Wrapping(envelope=Envelope.DOCKER)], max_line_bytes=1 << 20)
    before, first = docker("noise\n") + "\n", docker(LINE[:100]) + "\n"
    assert take(intake, chunk(before + first, file_id="old")) == (0, {"old": len(before)})
    second = docker(LINE[100:] + "\n") + "\n"
    assert take(intake, chunk(second, file_id="new")) == (1, {"old": len(before + first), "new": len(second)})


def test_another_log_does_not_move_a_checkpoint_that_waits(rules: RuleSet) -> None:
    """Lines of different containers are never joined, and never settle each other."""
    intake = Intake(rules, [Wrapping(envelope=Envelope.DOCKER)], max_line_bytes=1 << 20)
    assert take(intake, chunk(docker(LINE[:100]) + "\n", file_id="a", lineage="a.log")) == (0, {"a": 0})
    other = docker("noise\n") + "\n"
    assert take(intake, chunk(other, file_id="b", lineage="b.log")) == (0, {"b": len(other)})


def test_after_a_rewind_nothing_is_joined_with_what_will_be_read_again(rules: RuleSet) -> None:
    """When a transaction fails the pieces come again: kept ones would be doubled."""
    intake = Intake(rules, [Wrapping(envelope=Envelope.DOCKER)], max_line_bytes=1 << 20)
    whole = docker(LINE[:100]) + "\n" + docker(LINE[100:] + "\n") + "\n"
    take(intake, chunk(docker(LINE[:100]) + "\n"))
    intake.rewind()
    assert take(intake, chunk(whole)) == (1, {"f": len(whole)})


@pytest.mark.parametrize(
    ("wrapping", "wanted"),
    [
        (Wrapping(stream="stdout"), True),
        (Wrapping(stream="stderr"), False),
        (Wrapping(tags=("la*",)), True),
        (Wrapping(tags=("web", "db")), False),
        (Wrapping(labels=(("tag", ("lago",)),)), True),
        (Wrapping(labels=(("team", ("billing",)),)), False),
    ],
)
def test_a_source_takes_only_the_lines_it_wants(rules: RuleSet, wrapping: Wrapping, *, wanted: bool) -> None:
    """What the envelope tells decides whose lines are read; a label that is not there fits nothing."""
    intake = Intake(rules, [wrapping], max_line_bytes=1 << 20)
    one = chunk(docker(LINE + "\n") + "\n")
    taken = intake.take(one, origin_of(one, 9.0))
    assert bool(taken.outcomes) is wanted
    assert taken.counts[Reason.NOT_WANTED] == (0 if wanted else 1)


def test_a_torn_last_line_stays_and_a_whole_one_counts(rules: RuleSet) -> None:
    """`--once` at the end of a file that may grow: half a line is left for later, a whole object is complete."""
    intake = Intake(rules, [Wrapping()], max_line_bytes=1 << 20)
    torn = chunk("noise\n" + LINE[:80], final=True)
    assert take(intake, torn, torn_stays=True) == (0, {"f": 6})
    whole = chunk("noise\n" + LINE, file_id="g", final=True)
    assert take(intake, whole, torn_stays=True) == (1, {"g": whole.end})


def test_a_torn_last_line_of_a_file_that_has_ended_is_counted_and_passed(rules: RuleSet) -> None:
    """Nothing will ever complete it, so it must not be waited for."""
    intake = Intake(rules, [Wrapping()], max_line_bytes=1 << 20)
    torn = chunk(LINE[:80], final=True)
    taken = intake.take(torn, origin_of(torn, 9.0))
    assert taken.settled == {"f": 80}
    assert taken.counts[Reason.NOT_JSON] == 1


def test_a_line_that_never_ends_comes_out_once_when_its_log_is_gone(rules: RuleSet) -> None:
    """The last piece of a container that died: what is there is looked at, and the checkpoint moves on."""
    intake = Intake(rules, [Wrapping(envelope=Envelope.DOCKER)], max_line_bytes=1 << 20)
    only = chunk(docker(LINE) + "\n")
    assert take(intake, only) == (0, {"f": 0})
    taken = intake.end("app.log", origin_of(only, 9.0), 0)
    assert (len(taken.outcomes), taken.settled) == (1, {"f": only.end})
    assert intake.end("app.log", origin_of(only, 9.0), 0).outcomes == []


def test_a_bare_log_cannot_pass_off_a_line_as_an_envelope(rules: RuleSet) -> None:
    """A customer's text that looks like Docker's wrapping of an event, inside a bare log, is no event."""
    intake = Intake(rules, [Wrapping()], max_line_bytes=1 << 20)
    assert take(intake, chunk(f"boot\n{docker(LINE + chr(10))}\n"))[0] == 0


def test_a_chunk_of_much_is_given_in_portions_that_can_be_recorded_each(
    rules: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory stays bounded however many lines of a chunk matter; each portion says how far it goes."""
    monkeypatch.setattr(take_module, "PORTION", 2)
    intake = Intake(rules, [Wrapping()], max_line_bytes=1 << 20)
    one = chunk(f"{LINE}\n" * 5, start=50)
    portions = [portion.take() for portion in intake.portions(one, origin_of(one, 9.0))]
    length = len(LINE) + 1
    assert [len(taken.outcomes) for taken in portions] == [2, 2, 1]
    assert [taken.settled["f"] for taken in portions] == [50 + 2 * length, 50 + 4 * length, 50 + 5 * length]
    assert [taken.read_bytes for taken in portions] == [2 * length, 2 * length, length]
