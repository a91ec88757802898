"""The YAML door: what a document means, what is refused, and that nothing gets in any other way."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from extractor import document
from extractor.document import Code, Mapping, Scalar, Sequence, load, load_file, locate, plain
from extractor.problems import Place, ProblemError

JSON_KEYS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=8)
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e90, max_value=1e90)
    | st.text(st.characters(blacklist_categories=["Cs"]), max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(JSON_KEYS, inner, max_size=4),
    max_leaves=12,
)


class QuotingDumper(yaml.SafeDumper):
    """Puts every text in quotes: PyYAML leaves out those that YAML 1.1 does not need, as in `0E0`."""


QuotingDumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def refused(text: str) -> list[str]:
    """Codes of the problems of a text that must be refused."""
    with pytest.raises(ProblemError) as raised:
        load(text, "a.yaml")
    return [problem.code for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("-5", -5),
        ("1_000", "1_000"),
        ("22:22", "22:22"),
        ("1.5", 1.5),
        ("-.5e3", -500.0),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("9" * 19, "9" * 19),
        ("1.51.0", "1.51.0"),
        ("2001-01-01", "2001-01-01"),
        ("=", "="),
        ("'5'", "5"),
        ('"true"', "true"),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(written: str, meant: object) -> None:
    """Norway stays a country, a time stays a time, and what JSON cannot hold stays text."""
    node = load(f"key: {written}\n", "a.yaml")
    value = plain(node)
    assert isinstance(value, dict)
    assert (value["key"], type(value["key"])) == (meant, type(meant))


def test_every_key_and_value_knows_its_place() -> None:
    """Lines and columns start at 1 and count characters, not bytes."""
    root = load("é: {ü: [a, 'b']}\nc:\n  - d: 1\n", "a.yaml")
    assert isinstance(root, Mapping)
    assert [key.place for key, _ in root.entries] == [Place("a.yaml", 1, 1), Place("a.yaml", 2, 1)]
    assert locate(root, ("é", "ü", 1)) == Place("a.yaml", 1, 12)
    assert locate(root, ("c", 0, "d")) == Place("a.yaml", 3, 8)
    assert locate(root, ("c", 0, "absent", 7)) == Place("a.yaml", 3, 5)


@given(JSON_VALUES)
def test_every_json_document_means_the_same_here(value: object) -> None:
    """JSON is a part of YAML: what an editor or a program writes as JSON is read as JSON."""
    assert plain(load(json.dumps(value), "a.json")) == value


@given(JSON_VALUES, st.booleans())
def test_what_yaml_writes_is_read_back(value: object, flow: bool) -> None:
    """Quoted texts stay texts, whatever they look like, in block and in flow style."""
    text = yaml.dump(value, Dumper=QuotingDumper, allow_unicode=True, default_flow_style=flow)
    assert plain(load(text, "a.yaml")) == value


@given(st.text(max_size=60) | st.text(alphabet="{}[]:,-?#&*!|>'\"%@` \n\tab$\\x0", max_size=60))
def test_any_text_is_a_tree_or_a_list_of_problems(text: str) -> None:
    """Nobody can write a document that makes the loader raise anything else."""
    try:
        node = load(text, "a.yaml")
    except ProblemError as error:
        assert error.problems
        assert all(problem.place.file == "a.yaml" for problem in error.problems)
    else:
        assert isinstance(node, Scalar | Mapping | Sequence)


@given(st.text(alphabet="{}[]:,-?#&*!|>'\" \n ab", max_size=40))
def test_the_fast_parser_and_the_python_parser_agree(text: str) -> None:
    """A machine without libyaml reads the same trees and says the same of what it refuses."""

    def outcome(fast: type[yaml.SafeLoader]) -> object:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(document, "_FAST", fast)
            try:
                return plain(load(text, "a.yaml"))
            except ProblemError as error:
                return str(error)

    ours, pure = outcome(document._FAST), outcome(yaml.SafeLoader)
    if isinstance(pure, str) and "E002" in pure:
        return  # libyaml takes a few texts that YAML allows and the Python parser does not
    assert ours == pure


def test_a_bomb_of_references_is_refused_before_it_grows() -> None:
    """Nine levels of nine references would be 387 million values; not one is followed."""
    lines = ['a0: &a0 ["lol"]']
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert set(refused("\n".join(lines))) == {Code.ANCHOR}


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_at_once(opening: str) -> None:
    """Hundreds of thousands of brackets cost no more than the first few, and no stack."""
    assert Code.TOO_DEEP in refused(opening * 100_000)


def test_a_tag_builds_nothing() -> None:
    """No word in a document can name a Python object."""
    assert refused("!!python/object/apply:os.getcwd []") == [Code.TAG]
    assert refused("a: !!binary aGk=\nb: !custom {c: 1}\nd: !!str 5") == [Code.TAG] * 3


def test_a_merge_key_is_a_key_like_any_other() -> None:
    """`<<` brings nothing in; as a key that no model knows it will be refused there."""
    assert plain(load("<<: {a: 1}\nb: 2\n", "a.yaml")) == {"<<": {"a": 1}, "b": 2}


def test_all_problems_are_named_at_once() -> None:
    """A duplicate key does not hide a tag, nor a tag an anchor."""
    assert refused("a: 1\na: !x 2\nb: &c 3\n1: 4\n") == [
        Code.DUPLICATE_KEY,
        Code.TAG,
        Code.ANCHOR,
        Code.KEY_NOT_TEXT,
    ]


def test_a_document_of_nothing_but_mistakes_ends_early() -> None:
    """Half a million references are not half a million problems."""
    assert len(refused(f"- [&a x, {'*a, ' * 200_000}]")) == document.MAX_PROBLEMS


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    """Some editors write one."""
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert plain(load_file(path)) == {"a": 1}


def test_no_more_of_a_file_is_read_than_a_document_may_have(tmp_path: Path) -> None:
    """A device without end, or a log given as a config by mistake, is refused and not read to its end."""
    with pytest.raises(ProblemError, match=Code.TOO_LARGE):
        load_file(Path("/dev/zero"))
    path = tmp_path / "a.yaml"
    path.write_text("a: " + "b" * (document.MAX_BYTES - 3), encoding="utf-8")
    assert plain(load_file(path)) == {"a": "b" * (document.MAX_BYTES - 3)}


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_a_file_that_cannot_be_read_is_a_problem_like_any_other(tmp_path: Path, name: str) -> None:
    """A missing file or a folder names itself, without a traceback."""
    with pytest.raises(ProblemError) as raised:
        load_file(tmp_path / name, "config.yaml")
    (problem,) = raised.value.problems
    assert (problem.code, problem.place) == (Code.UNREADABLE, Place("config.yaml"))


def test_a_tree_shows_no_value_in_its_repr() -> None:
    """A config's tree holds the write key for a moment; a traceback with locals must not show it."""
    root = load("write_key: canary-7f3a\nlist: [canary-7f3a]\n", "a.yaml")
    assert "canary" not in repr(root)


def test_a_tree_without_values_keeps_keys_and_places() -> None:
    """What is kept for later problems holds no secret."""
    root = load("a: {b: [canary]}\n", "a.yaml")
    bare = document.without_values(root)
    assert plain(bare) == {"a": {"b": [None]}}
    assert locate(bare, ("a", "b", 0)) == locate(root, ("a", "b", 0))
