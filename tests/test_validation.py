"""Pydantic's findings in our words: one problem for one mistake, at its place, and never a value."""

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator

from extractor.document import MAX_PROBLEMS, load
from extractor.problems import ProblemError
from extractor.validation import refuse, validate

CANARY = "canary-7f3a"


class Dog(BaseModel):
    """A mapping that a union may hold."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: str
    in_: Annotated[str | None, Field(alias="in")] = None


class Kennel(BaseModel):
    """One of everything that pydantic can find wrong."""

    model_config = ConfigDict(extra="forbid")

    dogs: tuple[str | Dog, ...] = Field(min_length=1, description="who lives here")
    open: bool = True
    size: int = Field(5, ge=1, le=9)
    weight: float = 1.5
    mood: Literal["calm", "wild"] = "calm"
    tags: dict[Annotated[str, Field(pattern="^[a-z]+$")], str | list[str]] = {}
    motto: str = ""

    @field_validator("motto")
    @classmethod
    def _short(cls, motto: str) -> str:
        if len(motto) > 5:
            raise refuse("E900", "{key} is {too} long", "five letters do")
        if motto == "dull":
            message = "say something else"
            raise ValueError(message)
        return motto


def problems(text: str) -> list[str]:
    """What is said about a text that must be refused, without the file's name."""
    with pytest.raises(ProblemError) as raised:
        validate(load(text, "a"), Kennel)
    return [str(problem).removeprefix("a:") for problem in raised.value.problems]


def test_a_good_document_becomes_the_model() -> None:
    """Lists become tuples and whole numbers fit where any number does; nothing else is converted."""
    kennel = validate(load("dogs: [Rex, {name: Bo, in: yard}]\nweight: 2\n", "a"), Kennel)
    assert kennel == Kennel(dogs=("Rex", Dog(name="Bo", in_="yard")), weight=2.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dogs: [a]\nsize: '5'", ['2:7: E013 "size" must be a whole number, not text']),
        ("dogs: [a]\nsize: 5.5", ['2:7: E013 "size" must be a whole number, not a number']),
        ("dogs: [a]\nsize: true", ['2:7: E013 "size" must be a whole number, not true']),
        ("dogs: [a]\nopen: 1", ['2:7: E013 "open" must be true or false, not a number']),
        ("dogs: [a]\nmotto: 5", ['2:8: E013 "motto" must be text, not a number']),
        ("dogs: [a]\nmotto: dull", ['2:8: E016 "motto": say something else']),
        ("dogs: [a]\nmotto: longer", ['2:8: E900 "motto" is {too} long']),
        ("dogs: [a]\ntags: {Big: x}", ['2:8: E016 "Big" does not match ^[a-z]+$']),
        ("dogs: [a]\nmood: [calm]", ['2:7: E013 "mood" must be "calm" or "wild", not a list']),
        ("[]", ["1:1: E013 the document must be a mapping, not a list"]),
    ],
)
def test_each_kind_of_mistake_has_its_words(text: str, said: list[str]) -> None:
    """Nobody has to know pydantic to mend a config."""
    assert [problem.partition("\n")[0] for problem in problems(text)] == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dogs: [5]", ['1:8: E013 entry 1 of "dogs" must be text or a mapping, not a number']),
        ("dogs: [{nam: x}]", ['1:9: E011 unknown key "nam"']),
        ("dogs: [{in: x}]", ['1:8: E012 entry 1 of "dogs" lacks the key "name"']),
        ("dogs: [{name: 5}]", ['1:15: E013 "name" must be text, not a number']),
        ("dogs: [a]\ntags: {a: {b: c}}", ['2:11: E013 "a" must be text or a list, not a mapping']),
        ("dogs: [a]\ntags: {a: [5]}", ['2:12: E013 entry 1 of "a" must be text, not a number']),
    ],
)
def test_a_union_gives_one_problem_for_one_mistake(text: str, said: list[str]) -> None:
    """The branch that the author meant speaks; where it is not clear, all branches are named in one sentence."""
    assert [problem.partition("\n")[0] for problem in problems(text)] == said


def test_a_misspelt_key_is_not_missing_as_well() -> None:
    """One mistake, one problem, with what was probably meant."""
    (problem,) = problems("dog: [a]")
    assert problem.splitlines() == [
        '1:1: E011 unknown key "dog"',
        '    hint: did you mean "dogs"? accepted: dogs, mood, motto, open, size, tags, weight',
    ]


def test_a_missing_key_says_what_it_is_for() -> None:
    """The hint is the model's own description."""
    assert problems("open: true") == ['1:1: E012 the document lacks the key "dogs"\n    hint: who lives here']


SCALARS = st.sampled_from(["5", "-1.5", "true", "~", f"'{CANARY}'", CANARY])
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(["name", "in", "a", "dogs"]), inner, max_size=3).map(
            lambda entries: "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"
        )
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*Kennel.model_fields, "dig", "mod"]), TREES))
def test_whatever_is_wrong_is_said_without_a_value(entries: dict[str, str]) -> None:
    """No document makes validation raise anything else, and no problem shows what stands in the document."""
    text = "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"
    try:
        validate(load(text, "a"), Kennel)
    except ProblemError as error:
        assert error.problems
        assert CANARY not in str(error)
        assert len(set(error.problems)) == len(error.problems)


def test_a_document_of_nothing_but_mistakes_is_refused_in_bounded_time() -> None:
    """A hostile pack cannot keep the loader busy: the first problems are placed, the others counted."""
    text = "{dogs: [a], " + ", ".join(f"k{number}: {number}" for number in range(20_000)) + "}"
    with pytest.raises(ProblemError) as raised:
        validate(load(text, "a"), Kennel)
    assert len(raised.value.problems) == MAX_PROBLEMS + 1
    assert str(raised.value).endswith(
        "E017 19950 more problems are not listed\n    hint: mend those above first"
    )
