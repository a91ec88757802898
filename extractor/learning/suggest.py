"""From example lines to rules: the fewest conditions that tell them from all other lines, and what may leave.

Pure. What the lines say about themselves decides, and where it is in doubt a field is left out and named: a property
can be added by hand, and what was sent cannot be taken back. `skeleton` writes down what is found here.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from extractor.learning.candidates import Candidate, LeftOut, infer_properties
from extractor.learning.corpus import EXISTS, Ask, Corpus, Example, asks_of, document_at
from extractor.learning.walk import CALL, ROOT_FIELD, Steps, find, text_of, walk
from extractor.ruleset.kinds import Kinds

MAX_RULES = 6
MAX_CONDITIONS = 4
"""More of them say that the examples have little in common."""

_STATUS = frozenset({"status", "status_code", "statusCode", "http_status", "response_status"})
_FACT_IDS = ("job_id", "jid", "request_id", "requestId", "event_id", "message_id")
_ID = re.compile(r"[0-9A-Za-z-]{8,64}")


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
        self._told = [asks_of(example.scope) for example in corpus.examples]

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
        document = document_at(scopes)
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
