"""Kinds of lines: named by what the pack says, never by a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.ruleset.kinds import Kinds, parse_form
from extractor.ruleset.path import PathError
from extractor.ruleset.pattern import compile_pattern
from tests.packs import shipped_pack

REQUEST = parse_form("{controller}#{action} {method}", compile_pattern(".*#create POST"))
KINDS = Kinds((REQUEST, parse_form("job {job.name}")), frozenset({"Known#create POST"}))


def test_the_first_form_whose_fields_are_there_names_the_line() -> None:
    """A request by its controller, a job by its name, anything else not at all."""
    record = {"controller": "Api::V1::Plans", "action": "create", "method": "POST", "job": {"name": "Bill"}}
    assert KINDS.name(record) == "Api::V1::Plans#create POST"
    assert KINDS.name({"job": {"name": "Bill"}, "controller": "Plans"}) == "job Bill"
    assert KINDS.name({"controller": "Plans", "action": None, "method": "GET"}) is None


@given(st.text(max_size=40) | st.integers() | st.none() | st.lists(st.text(max_size=3), max_size=2))
def test_a_value_never_becomes_a_kind(value: object) -> None:
    """What is no short word of an app's own code, an address, a number, a sentence, names nothing."""
    name = KINDS.name({"job": {"name": value}})
    if name is not None:
        word = name.removeprefix("job ")
        assert word == value
        assert word.isascii()
        assert not any(character.isspace() or character in "@+'\"<>{}\\" for character in word)


@pytest.mark.parametrize("word", ["jane@example.com", "33568534588", "id-1234567", "a b", "x" * 81, "é"])
def test_what_may_be_private_is_no_word(word: str) -> None:
    """An address, a phone, an id, a sentence, a text without end."""
    assert KINDS.name({"job": {"name": word}}) is None


def test_known_kinds_do_not_look_like_activations() -> None:
    """The pack lists what is made and is no step; its pattern says what else is."""
    assert KINDS.looks_like_activation("Plans#create POST")
    assert not KINDS.looks_like_activation("Known#create POST")
    assert not KINDS.looks_like_activation("Plans#update PUT")


@pytest.mark.parametrize("text", ["a line", "{}", "{a[*]}", "{a}{b..c}"])
def test_a_form_that_names_no_field_is_refused(text: str) -> None:
    """All lines would be of one kind."""
    with pytest.raises(PathError):
        parse_form(text)


def test_the_shipped_pack_names_requests_and_jobs() -> None:
    """What a Lago log is full of is known and never alarms."""
    kinds = shipped_pack().kinds
    request = {"controller": "Api::V1::EventsController", "action": "create", "method": "POST"}
    assert kinds.name(request) == "Api::V1::EventsController#create POST"
    assert not kinds.looks_like_activation("Api::V1::EventsController#create POST")
    assert kinds.looks_like_activation("Api::V2::CustomersController#create POST")
    assert kinds.name({"job": "BillJob", "event": "perform", "status": "start"}) == "BillJob perform start"
