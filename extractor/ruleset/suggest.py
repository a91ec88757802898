"""From example lines to rules: the fewest conditions that tell them from all other lines, and what may leave.

Pure. What the lines say about themselves decides, and where it is in doubt a field is left out and named: a property
can be added by hand, and what was sent cannot be taken back. `skeleton` writes down what is found here.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from extractor.decode.errors import ParseError
from extractor.decode.graphql import as_record, root_fields
from extractor.decode.record import decode_json
from extractor.decode.rubyinspect import parse_arguments
from extractor.ruleset.candidates import Candidate, LeftOut, infer_properties, is_doubtful
from extractor.ruleset.kinds import Kinds
from extractor.ruleset.private import doubt_text
from extractor.ruleset.walk import (
    CALL,
    ROOT_FIELD,
    Steps,
    find,
    is_named,
    is_phrase,
    is_word,
    list_with,
    text_of,
    walk,
)
from extractor.telemetry import Reason

MAX_RULES = 6
MAX_CONDITIONS = 4
"""More of them say that the examples have little in common."""

MAX_EXAMPLES = 5_000
"""Example lines kept in memory; of all others only what conditions could ask is kept, each combination once."""

_RUBY = re.compile(r'[{\["#:]')
_GRAPHQL = re.compile(r"\s*(?:query|mutation|subscription|\{)")
_STATUS = frozenset({"status", "status_code", "statusCode", "http_status", "response_status"})
_FACT_IDS = ("job_id", "jid", "request_id", "requestId", "event_id", "message_id")
_ID = re.compile(r"[0-9A-Za-z-]{8,64}")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One rule.

    Attributes:
        asks: Conditions, those on the line itself first.
        status: Where a status stands that must be one of success, or None.
        ruby: The field that holds a job's arguments, if a condition or property needs it.
        graphql: The field that holds a GraphQL document, in the same way; its variables stand beside it.
        each: The list of which each element is an event, and the field that elements have; or None.
        key: What names the fact, or None.
        user: Where the user stands, or None.
        group: Where the organization stands, or None.
        properties: What may leave.
        left_out: What is not proposed, and why.
        lines: How many examples it takes.
        others: How many other lines of the files it takes.
    """

    asks: tuple[Ask, ...]
    status: Steps | None
    ruby: str
    graphql: Steps | None
    each: tuple[Steps, str] | None
    key: Steps | None
    user: Steps | None
    group: Steps | None
    group_is_uuid: bool
    properties: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]
    lines: int
    others: int


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
            self.others[_asks(scope)] += 1
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


def _asks(scope: dict[str, object]) -> frozenset[Ask]:
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


def suggest(corpus: Corpus, kinds: Kinds) -> list[Suggestion]:
    """Rules for the examples, those for most of them first. Empty where nothing tells them from other lines."""
    learner = _Learner(corpus, kinds)
    left = set(range(len(corpus.examples)))
    found: list[Suggestion] = []
    least = 1 if len(left) <= 5 else max(2, len(left) // 50)
    while len(left) >= least and len(found) < MAX_RULES:
        asks, covered = learner.learn(left)
        if not asks:
            break
        left -= covered
        suggestion = learner.build(asks, covered)
        if len(covered) >= least and suggestion.others * 4 <= len(covered):
            found.append(suggestion)
    return sorted(found, key=lambda one: -one.lines)


class _Learner:
    def __init__(self, corpus: Corpus, kinds: Kinds) -> None:
        self._corpus = corpus
        self._kinds = kinds
        self._heads = {path.steps for path in kinds.heads()}
        self._told = [_asks(example.scope) for example in corpus.examples]

    def learn(self, left: set[int]) -> tuple[tuple[Ask, ...], set[int]]:
        """Conditions that many of these examples meet and few other lines; and which examples do."""
        covered, asks = set(left), list[Ask]()
        others = self._corpus.others
        while len(asks) < MAX_CONDITIONS:
            within, without = self._count(covered, others)
            before = self._bits(len(covered), others.total())
            gains = {
                ask: number * (before - self._bits(number, without[ask]))
                for ask, number in within.items()
                if ask not in asks
            }
            best = self._best(gains)
            if best is None:
                break
            asks.append(best)
            covered = {number for number in covered if best in self._told[number]}
            others = Counter({told: count for told, count in others.items() if best in told})
            if not others:
                break
        return (self._complete(asks, covered), covered) if asks else ((), covered)

    def _best(self, gains: Mapping[Ask, float]) -> Ask | None:
        """What tells most: of the line itself and what it calls, then whether a field is there, then a value."""
        telling = [ask for ask, gain in gains.items() if gain > 1e-9]
        names, presences = list(filter(_is_name, telling)), list(filter(_is_presence, telling))
        return max(
            names or presences or telling, key=lambda ask: (gains[ask], *self._taste(ask)), default=None
        )

    @staticmethod
    def _bits(mine: int, others: int) -> float:
        """How surprising it is that a line is an example (Quinlan's FOIL)."""
        return -math.log2(mine / (mine + others))

    def _count(self, covered: set[int], others: Counter[frozenset[Ask]]) -> tuple[Counter[Ask], Counter[Ask]]:
        within = Counter(ask for number in covered for ask in self._told[number])
        without: Counter[Ask] = Counter()
        for told, count in others.items():
            for ask in told:
                if ask in within:
                    without[ask] += count
        return within, without

    def _taste(self, ask: Ask) -> tuple[bool, int, str]:
        steps, _ = ask
        return (steps in self._heads, -len(steps), text_of(steps))

    def _complete(self, asks: list[Ask], covered: set[int]) -> tuple[Ask, ...]:
        """With what names the kind of the line, and a text on the line itself, which a rule needs; () without one."""
        shared = frozenset.intersection(*(self._told[number] for number in covered))
        for form in self._kinds.forms:
            asks += [ask for path in form.paths for ask in shared if ask[0] == path.steps and ask not in asks]
        if not any(map(_is_plain, asks)):
            _, without = self._count(covered, self._corpus.others)
            plain = sorted(filter(_is_plain, shared), key=lambda ask: (without[ask], len(ask[0]), ask))
            if not plain:
                return ()
            asks.append(plain[0])
        return tuple(sorted(dict.fromkeys(asks), key=lambda ask: _is_decoded(ask[0])))

    def build(self, asks: tuple[Ask, ...], covered: set[int]) -> Suggestion:
        """The rule with these conditions."""
        mine = [self._corpus.examples[number] for number in sorted(covered)]
        status = next((steps for steps in _statuses(mine) if steps not in dict(asks)), None)
        if status is not None:
            succeeded = [one for one in mine if _is_success(find(one.scope, status))]
            mine = succeeded or mine
        scopes = [one.scope for one in mine]
        document = _document_at(scopes)
        group = _id_at(scopes, _GROUPS)
        usual = {
            steps for steps, count in self._corpus.fields.items() if count * 3 > self._corpus.others.total()
        }
        properties, left_out = infer_properties(
            scopes, skip=frozenset({*(steps for steps, _ in asks), status or ()}), usual=usual, group=group
        )
        if document is not None:
            # What stands beside a document is read out of it.
            properties = tuple(one for one in properties if one.steps[: len(document) - 1] != document[:-1])
            left_out = tuple(one for one in left_out if not one.path.startswith(text_of(document[:-1])))
        used = {steps[0] for steps, _ in asks} | {one.steps[0] for one in properties}
        user = _id_at(scopes, _USERS)
        used |= {steps[0] for steps in (user, group) if steps}
        lists = Counter(one.each for one in mine)
        each = max(lists, key=lambda one: lists[one])
        used |= {each[0][0]} if each else set()
        ruby = next((name for one in mine for name in one.decoded if name != ROOT_FIELD), "")
        wanted = set(asks)
        return Suggestion(
            asks=asks,
            status=status,
            ruby=ruby if CALL in used else "",
            graphql=document if ROOT_FIELD in used else None,
            each=each,
            key=_key(scopes),
            user=user,
            group=group,
            group_is_uuid=group is not None and all(_is_uuid(find(scope, group)) for scope in scopes),
            properties=properties,
            left_out=left_out,
            lines=len(mine),
            others=sum(count for told, count in self._corpus.others.items() if wanted <= told),
        )


_GROUPS = (
    "organization_id",
    "organizationId",
    "org_id",
    "account_id",
    "accountId",
    "tenant_id",
    "workspace_id",
    "team_id",
)
_USERS = ("membership_id", "user_id", "userId", "current_user_id", "member_id", "actor_id")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _is_name(ask: Ask) -> bool:
    steps, text = ask
    return text != EXISTS and (len(steps) == 1 or steps[0] == CALL or steps[:2] == (ROOT_FIELD, "field"))


def _is_presence(ask: Ask) -> bool:
    return ask[1] == EXISTS


def _is_plain(ask: Ask) -> bool:
    return ask[1] != EXISTS and not _is_decoded(ask[0])


def _is_decoded(steps: Steps) -> bool:
    return steps[0] in (CALL, ROOT_FIELD)


def _statuses(examples: Sequence[Example]) -> Iterator[Steps]:
    """Fields that hold an HTTP status, mostly one of success."""
    for name in _STATUS:
        values = [one.scope.get(name) for one in examples]
        good = sum(map(_is_success, values))
        if good * 5 >= len(values) and all(type(value) is int and 100 <= value < 600 for value in values):
            yield (name,)


def _is_success(value: object) -> bool:
    return type(value) is int and 200 <= value < 300


def _id_at(scopes: Sequence[dict[str, object]], names: Collection[str]) -> Steps | None:
    """The field of such a name that most lines have, as an id; the shallowest of equals."""
    found: Counter[Steps] = Counter()
    for scope in scopes:
        for steps, value in walk(scope):
            if str(steps[-1]) in names and (type(value) is int or (isinstance(value, str) and value)):
                found[steps] += 1
    return max(found, key=lambda steps: (found[steps], -len(steps)), default=None)


def _key(scopes: Sequence[dict[str, object]]) -> Steps | None:
    """What names the fact: an id of a job or request, where the lines that share it say the same."""
    for name in _FACT_IDS:
        groups: dict[str, list[object]] = defaultdict(list)
        for scope in scopes:
            value = scope.get(name)
            if isinstance(value, str) and _ID.fullmatch(value):
                groups[value].append(scope.get(CALL))
        same = all(told == told[:1] * len(told) for told in groups.values())
        # One id on all lines that say nothing to compare is more likely a constant than a fact.
        telling = len(groups) > 1 or any(CALL in scope for scope in scopes)
        if same and telling and sum(map(len, groups.values())) == len(scopes):
            return (name,)
    return None


def _document_at(scopes: Sequence[dict[str, object]]) -> Steps | None:
    for scope in scopes:
        for steps, value in walk(scope):
            if steps[-1] == "query" and isinstance(value, str) and _GRAPHQL.match(value):
                return steps
    return None
