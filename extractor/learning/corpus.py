"""Example lines and all others, taken in one by one: what conditions could ask of each. Pure; `suggest` learns from it."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from extractor.decode.errors import ParseError
from extractor.decode.graphql import as_record, root_fields
from extractor.decode.record import decode_json
from extractor.decode.rubyinspect import parse_arguments
from extractor.learning.candidates import is_doubtful
from extractor.learning.walk import CALL, ROOT_FIELD, Steps, is_named, is_phrase, is_word, list_with, walk
from extractor.ruleset.private import doubt_text
from extractor.telemetry import Reason

MAX_EXAMPLES = 5_000
"""Example lines kept in memory; of all others only what conditions could ask is kept, each combination once."""

_RUBY = re.compile(r'[{\["#:]')
_GRAPHQL = re.compile(r"\s*(?:query|mutation|subscription|\{)")

EXISTS = "*"
"""Stands for any text: what an `Ask` says of a field that must only be there."""

Ask = tuple[Steps, str]
"""A condition: the text that must stand at a place."""


@dataclass(frozen=True, slots=True)
class Example:
    """An example line: its record with what could be decoded of it, and the list that a word names elements of."""

    scope: dict[str, object] = field(repr=False)
    decoded: tuple[str, ...]
    each: tuple[Steps, str] | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """What makes a line an example: all words of one alternative stand in it, as whole words."""

    alternatives: tuple[tuple[str, ...], ...]
    _patterns: tuple[tuple[re.Pattern[bytes], ...], ...] = field(repr=False)

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Words":
        """Each text is one alternative: words with spaces between."""
        alternatives = tuple(tuple(text.split()) for text in texts if text.strip())
        patterns = tuple(
            tuple(
                re.compile(rb"(?<![A-Za-z0-9_])" + re.escape(word.encode()) + rb"(?![A-Za-z0-9_])")
                for word in one
            )
            for one in alternatives
        )
        return cls(alternatives, patterns)

    @property
    def all(self) -> tuple[str, ...]:
        """Every word of every alternative."""
        return tuple(dict.fromkeys(word for one in self.alternatives for word in one))

    def stand_in(self, text: bytes) -> bool:
        """Whether a line is an example."""
        return any(all(pattern.search(text) for pattern in one) for one in self._patterns)


class Corpus:
    """Lines, taken in one by one: examples as they are, of all others what could tell them apart."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self.examples: list[Example] = []
        self.others: Counter[frozenset[Ask]] = Counter()
        self.fields: Counter[Steps] = Counter()
        self.lines = 0

    def add(self, text: bytes, *, example: bool, words: Sequence[str] = ()) -> bool:
        """Take a line in; whether it is a record that counts.

        Args:
            text: The line, out of any envelope.
            example: Whether it shows the event.
            words: What made it an example. One that names a field of the elements of a list makes each an event.
        """
        record = decode_json(text)
        if isinstance(record, Reason):
            return False
        self.lines += 1
        scope, decoded = _decode(record)
        if example and len(self.examples) < MAX_EXAMPLES:
            within: Mapping[str, object] = {ROOT_FIELD: scope[ROOT_FIELD]} if ROOT_FIELD in scope else scope
            lists = ((list_with(within, word), word) for word in words)
            each = next(((steps, word) for steps, word in lists if steps is not None), None)
            self.examples.append(Example(scope, decoded, each))
        else:
            self.others[asks_of(scope)] += 1
            self.fields.update({steps for steps, _ in walk(scope)})
        return True


def _decode(record: dict[str, object]) -> tuple[dict[str, object], tuple[str, ...]]:
    scope, decoded = dict(record), []
    for name, value in record.items():
        if isinstance(value, str) and _RUBY.match(value) and CALL not in scope:
            try:
                parsed = parse_arguments(value)
            except ParseError:
                continue
            if parsed and not all(isinstance(one, str | int | float) for one in parsed):
                scope[CALL] = parsed
                decoded.append(name)
    found = next(_documents(record), None)
    if found is not None and ROOT_FIELD not in scope:
        scope[ROOT_FIELD] = found
        decoded.append(ROOT_FIELD)
    return scope, tuple(decoded)


def _documents(record: dict[str, object]) -> Iterator[dict[str, object]]:
    for holder in (record, *(value for value in record.values() if isinstance(value, dict))):
        query, variables = holder.get("query"), holder.get("variables")
        if isinstance(query, str) and _GRAPHQL.match(query):
            name = holder.get("operationName")
            known = variables if isinstance(variables, dict) else {}
            try:
                yield from as_record(root_fields(query, known, name if isinstance(name, str) else None))
            except ParseError:
                continue


def asks_of(scope: dict[str, object]) -> frozenset[Ask]:
    """All that a condition could ask of a line."""
    decoded = ROOT_FIELD in scope
    asks = set()
    for steps, value in walk(scope):
        # What a client calls its operation is the client's choice; the root field tells what is asked.
        if value is None or not is_named(steps) or (decoded and steps[-1] == "operationName"):
            continue
        if isinstance(value, str) and not is_doubtful(steps):
            fits = is_phrase if len(steps) == 1 else is_word
            if fits(value) and doubt_text(value) is None:
                asks.add((steps, value))
        if len(steps) > 1:
            asks.add((steps, EXISTS))
    return frozenset(asks)


def document_at(scopes: Sequence[dict[str, object]]) -> Steps | None:
    """Where a GraphQL document stands in the lines, or None."""
    for scope in scopes:
        for steps, value in walk(scope):
            if steps[-1] == "query" and isinstance(value, str) and _GRAPHQL.match(value):
                return steps
    return None
