"""The second gate: reads the bytes of a request as they are about to leave, and refuses what the plan does not name.

It shares nothing with the projection but the tracking plan, which it takes as plain JSON (`extractor plan --format
json` prints the same): its own walk over the message, its own types, its own eyes for private texts. Whatever it does
not understand it refuses. It says which event of the batch and which rule of the plan was broken, never a value.

Its idea of a private text is narrower than the projection's on purpose (a test holds that): what passes there and is
honest must never become a dead letter here; what was let through by a mistake there must.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import re2

from extractor.destination.verdict import Refusal

_TOP = frozenset(
    {
        "integrations",
        "anonymousId",
        "properties",
        "timestamp",
        "context",
        "userId",
        "type",
        "event",
        "messageId",
    }
)
_HEAD = b'{"batch":'
_TAIL = re.compile(rb',"sentAt":"[0-9TZ:.+-]{0,40}","writeKey":"(?:[!#-\[\]-~]|\\["\\]){0,200}"\}')
_MESSAGE_ID = re.compile(r"[0-9a-f]{48}")
_ANONYMOUS_ID = re.compile(r"[0-9a-f]{32}")
_TIMESTAMP = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{3}\+00:00")
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]@[A-Za-z0-9-]")
_PHONE = re.compile(r"(?<![\w.-])\+[0-9](?:[ ().-]?[0-9]){7,14}(?![\w-])")
# 2 to 6 are the first digits of the networks that are used; with others a number is no card, for the projection neither.
_CARD = re.compile(r"(?<![\w.-])[2-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}(?![\w-])")

_SEEN = 1024
"""Texts that were accepted are remembered, so many of each place and none longer than `_SHORT`: ids, words, versions.
They repeat, and to find one costs a tenth of looking at it again."""

_SHORT = 64

Check = Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class _Place:
    """What may stand somewhere: what any of the checks accepts. Each says the same of the same value every time."""

    checks: tuple[Check, ...]
    accepted: set[str] = field(default_factory=set, repr=False)

    def accepts(self, value: object) -> bool:
        """Whether a check does."""
        if type(value) is str and value in self.accepted:
            return True
        for check in self.checks:
            if check(value):
                if type(value) is str and len(value) <= _SHORT:
                    if len(self.accepted) >= _SEEN:
                        self.accepted.clear()
                    self.accepted.add(value)
                return True
        return False


@dataclass(frozen=True, slots=True)
class _EventPlan:
    """What one event may hold."""

    properties: Mapping[str, _Place]
    required: frozenset[str]
    user: _Place
    group: _Place


class PlanGate:
    """The gate of one tracking plan. Callable with the body of a request; one thread."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        """Compile a plan, given as `plan_as_json` renders it."""
        self._events = {event["name"]: _event_plan(event) for event in plan["events"]}
        self._integrations = plan["integrations"]
        self._context = plan["context"]
        self._signatures = {"app": plan["app"]["name"], "library": plan["library"]["name"]}
        self._anonymous = plan["unidentified_users"] == "anonymous"
        self._contexts: set[bytes] = set()

    def __call__(self, body: bytes) -> Sequence[Refusal]:
        """What must not leave: events by their position, or the whole request."""
        try:
            request = orjson.loads(body)
        except orjson.JSONDecodeError:
            return (Refusal(None, "not_json"),)
        if not isinstance(request, dict) or request.keys() != {"batch", "sentAt", "writeKey"}:
            return (Refusal(None, "request_shape"),)
        batch = request["batch"]
        if not isinstance(batch, list):
            return (Refusal(None, "request_shape"),)
        if not _as_parsed(body, batch):
            return (Refusal(None, "not_as_parsed"),)
        refusals = []
        for position, message in enumerate(batch):
            reason = self._refuse(message)
            if reason is not None:
                refusals.append(Refusal(position, reason))
        return refusals

    def _refuse(self, message: object) -> str | None:
        if type(message) is not dict or message.keys() != _TOP:
            return "message_shape"
        plan = self._events.get(message["event"]) if type(message["event"]) is str else None
        if plan is None:
            return "unknown_event"
        if message["type"] != "track" or not _same(message["integrations"], self._integrations):
            return "message_shape"
        if not _is(_MESSAGE_ID, message["messageId"]) or not _is(_TIMESTAMP, message["timestamp"]):
            return "message_shape"
        return (
            self._refuse_user(plan, message["userId"], message["anonymousId"])
            or self._refuse_context(plan, message["context"])
            or _refuse_properties(plan, message["properties"])
        )

    def _refuse_user(self, plan: _EventPlan, user: object, anonymous: object) -> str | None:
        if user is None:
            return None if self._anonymous and _is(_ANONYMOUS_ID, anonymous) else "user_id"
        return None if anonymous is None and plan.user.accepts(user) else "user_id"

    def _refuse_context(self, plan: _EventPlan, context: object) -> str | None:
        if type(context) is not dict:
            return "context"
        # But for the group all messages have the same one.
        rest = dict(context)
        grouped, group = "groupId" in rest, rest.pop("groupId", None)
        spelled = orjson.dumps(rest)
        if spelled not in self._contexts:
            if not self._signed(rest):
                return "context"
            if len(self._contexts) >= _SEEN:
                self._contexts.clear()
            # A copy: what orjson gives owns 4 KB, however short it is.
            self._contexts.add(bytes(memoryview(spelled)))
        return "group_id" if grouped and not plan.group.accepts(group) else None

    def _signed(self, context: dict[str, object]) -> bool:
        """Whether our signatures stand there, and beside them what the plan says."""
        rest = dict(context)
        for name, expected in self._signatures.items():
            signature = rest.pop(name, None)
            # The version is any: what an older version of ours has stored may leave after an upgrade.
            if type(signature) is not dict or signature.keys() != {"name", "version"}:
                return False
            if signature["name"] != expected or not _is(_VERSION, signature["version"]):
                return False
        return _same(rest, self._context)


def _as_parsed(body: bytes, batch: Sequence[object]) -> bool:
    """Whether all that the body says is this batch, in the way that we write it.

    A key that stands twice hides its first value from every parser: written out again it would be shorter. And what
    stands behind the batch is as short and plain as we write it, or nobody knows what it says.
    """
    spelled = orjson.dumps(batch)
    end = len(_HEAD) + len(spelled)
    return (
        body.startswith(_HEAD)
        and body.startswith(spelled, len(_HEAD))
        and _TAIL.fullmatch(body, end) is not None
    )


def _refuse_properties(plan: _EventPlan, properties: object) -> str | None:
    if type(properties) is not dict:
        return "properties"
    if not plan.required <= properties.keys():
        return "required_property"
    for name, value in properties.items():
        place = plan.properties.get(name)
        if place is None:
            return "unknown_property"
        if not (type(value) is str and value in place.accepted) and not place.accepts(value):
            return "property_value"
    return None


def _event_plan(event: Mapping[str, Any]) -> _EventPlan:
    return _EventPlan(
        properties={one["name"]: _place(one["accepts"]) for one in event["properties"]},
        required=frozenset(one["name"] for one in event["properties"] if one["required"]),
        user=_place(event["user_id"]),
        group=_place(event["group_id"]),
    )


def _place(accepts: Sequence[Mapping[str, Any]]) -> _Place:
    return _Place(tuple(map(_check, accepts)))


def _check(accepts: Mapping[str, Any]) -> Check:
    kind = accepts["type"]
    if kind in ("string", "uuid", "datetime"):
        return _text_check(kind, accepts)
    if kind == "boolean":
        either = tuple(accepts.get("enum", (True, False)))
        return lambda value: type(value) is bool and value in either
    whole = kind == "integer"
    low, high = accepts.get("min", -math.inf), accepts.get("max", math.inf)
    numbers = tuple(accepts.get("enum", ()))

    def number(value: object) -> bool:
        if type(value) is not int and (whole or type(value) is not float):
            return False
        return low <= value <= high and (not numbers or value in numbers)

    return number


def _text_check(kind: str, accepts: Mapping[str, Any]) -> Check:
    words = frozenset(accepts.get("enum", ()))
    if words:
        return lambda value: type(value) is str and value in words
    if kind == "uuid":
        return lambda value: _is(_UUID, value)
    if kind == "datetime":
        return lambda value: _is(_TIMESTAMP, value)
    limit = accepts["max_length"]
    pattern = re2.compile(accepts["pattern"]) if "pattern" in accepts else None
    guarded = accepts.get("private_text") != "not checked"

    def text(value: object) -> bool:
        if type(value) is not str or len(value) > limit:
            return False
        if pattern is not None and pattern.fullmatch(value) is None:
            return False
        return not (guarded and looks_private(value))

    return text


def looks_private(text: str) -> bool:
    """Whether an e-mail address, an international phone number or a card number stands in a text."""
    if "@" in text and _EMAIL.search(text):
        return True
    if "+" in text and _PHONE.search(text):
        return True
    return len(text) >= 13 and any(_luhn(run) for run in _CARD.findall(text))


def _luhn(run: str) -> bool:
    digits = [int(character) for character in run if "0" <= character <= "9"]
    total = sum(digits[-1::-2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return total % 10 == 0


def _same(found: object, expected: object) -> bool:
    """Whether constants are spelled alike, too: to Python 1, 1.0 and true are equal."""
    return found == expected and (
        not expected
        or orjson.dumps(found, option=orjson.OPT_SORT_KEYS)
        == orjson.dumps(expected, option=orjson.OPT_SORT_KEYS)
    )


def _is(pattern: re.Pattern[str], value: object) -> bool:
    return type(value) is str and pattern.fullmatch(value) is not None
