"""The tracking plan for other programs: JSON Schema, CSV, and what a new plan would send that an old one would not.

All of it works on the plan as JSON (`plan_as_json`), which is what a committed plan is.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from extractor.problems import spell_out

Json = Mapping[str, Any]

_DRAFT = "http://json-schema.org/draft-07/schema#"
_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_TIMESTAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}\+00:00$"


def plan_as_schema(plan: Json) -> dict[str, object]:
    """A draft-07 schema of one message: one definition an event, the form that Segment Protocols takes for each.

    It says all that is structural: names, types, lengths, patterns, ranges. That a text holds nothing private is
    decided when it is read, and again by the second gate.
    """
    return {
        "$schema": _DRAFT,
        "title": "What can leave",
        "oneOf": [{"$ref": f"#/definitions/{event['name']}"} for event in plan["events"]],
        "definitions": {event["name"]: _message_schema(plan, event) for event in plan["events"]},
    }


def _message_schema(plan: Json, event: Json) -> dict[str, object]:
    anonymous = plan["unidentified_users"] == "anonymous"
    user: dict[str, object] = {"anyOf": [_value_schema(accepts) for accepts in event["user_id"]]}
    if anonymous:
        user = {"anyOf": [{"type": "null"}, *(_value_schema(accepts) for accepts in event["user_id"])]}
    properties = {one["name"]: _property_schema(one) for one in event["properties"]}
    required = [one["name"] for one in event["properties"] if one["required"]]
    return _object(
        {
            "type": {"const": "track"},
            "event": {"const": event["name"]},
            "messageId": {"type": "string", "pattern": "^[0-9a-f]{48}$"},
            "timestamp": {"type": "string", "pattern": _TIMESTAMP},
            "userId": user,
            "anonymousId": {"type": ["string", "null"], "pattern": "^[0-9a-f]{32}$"}
            if anonymous
            else {"type": "null"},
            "integrations": {"const": plan["integrations"]},
            "context": _context_schema(plan, event),
            "properties": _object(properties, required),
        },
        description=event["about"],
    )


def _context_schema(plan: Json, event: Json) -> dict[str, object]:
    version = {"type": "string", "pattern": "^[0-9A-Za-z.+-]{1,40}$"}
    known: dict[str, object] = {key: {"const": value} for key, value in plan["context"].items()}
    for name in ("app", "library"):
        known[name] = _object({"name": {"const": plan[name]["name"]}, "version": version})
    required = list(known)
    if event["group_id"]:
        known["groupId"] = {"anyOf": [_value_schema(accepts) for accepts in event["group_id"]]}
    return _object(known, required)


def _property_schema(one: Json) -> dict[str, object]:
    accepted = [_value_schema(accepts) for accepts in one["accepts"]]
    schema: dict[str, object] = dict(accepted[0]) if len(accepted) == 1 else {"anyOf": accepted}
    if one["about"]:
        schema["description"] = one["about"]
    return schema


def _value_schema(accepts: Json) -> dict[str, object]:
    kind = accepts["type"]
    if "enum" in accepts:
        return {"enum": list(accepts["enum"])}
    if kind == "uuid":
        return {"type": "string", "pattern": _UUID}
    if kind == "datetime":
        return {"type": "string", "pattern": _TIMESTAMP}
    schema: dict[str, object] = {"type": kind}
    for ours, theirs in (("max_length", "maxLength"), ("min", "minimum"), ("max", "maximum")):
        if ours in accepts:
            schema[theirs] = accepts[ours]
    if "pattern" in accepts:
        # Ours match the whole text; a schema's match anywhere.
        schema["pattern"] = f"^(?:{accepts['pattern']})$"
    return schema


def _object(
    properties: Mapping[str, object], required: Sequence[str] | None = None, *, description: str = ""
) -> dict[str, object]:
    schema: dict[str, object] = {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties if required is None else required),
        "additionalProperties": False,
    }
    return {"description": description, **schema} if description else schema


def plan_as_csv(plan: Json) -> str:
    """A row a property of an event, with a heading: for spreadsheets and reviews."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["event", "property", "what it is", "accepted", "always there", "comes from"])
    for event in plan["events"]:
        for one in event["properties"]:
            accepted = " or ".join(map(in_words, one["accepts"]))
            always = "yes" if one["required"] else "no"
            row = [event["name"], one["name"], one["about"], accepted, always, ", ".join(one["sources"])]
            writer.writerow(map(_cell, row))
    return text.getvalue()


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula, nor a terminal for a command: a pack's author may be anybody."""
    shown = spell_out(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def in_words(accepts: Json) -> str:
    """One constraint, in words."""
    words = [accepts["type"]]
    if "enum" in accepts:
        words.append(f"one of {', '.join(map(str, accepts['enum']))}")
    words += [
        f"{key.replace('_', ' ')} {accepts[key]}"
        for key in ("pattern", "max_length", "min", "max")
        if key in accepts
    ]
    return ", ".join(words)


class NotAPlanError(ValueError):
    """A document that was taken for a plan, and is none."""


def more_than(new: Json, old: Json) -> list[str]:
    """What the new plan would send that the old one would not, a sentence each; none if there is nothing.

    A narrower constraint is not more; one that is merely different counts as more, since only a person can tell.

    Raises:
        NotAPlanError: The old one was not made by `plan_as_json`.
    """
    try:
        return list(_more(new, old))
    except (KeyError, TypeError, AttributeError) as error:
        # A schema of the plan would say the same three times as long; a kept plan is made by us or not at all.
        raise NotAPlanError from error


def _more(new: Json, old: Json) -> Iterator[str]:
    if new["unidentified_users"] != old["unidentified_users"]:
        yield f"users that the log does not tell are sent otherwise: {new['unidentified_users']}"
    for key in ("app", "library"):
        if new[key]["name"] != old[key]["name"]:
            yield f"context.{key}.name has another value in every message"
    before = {event["name"]: event for event in old["events"]}
    for event in new["events"]:
        known = before.get(event["name"])
        if known is None:
            names = ", ".join(one["name"] for one in event["properties"])
            yield f"event {event['name']} is new, with {names}"
            continue
        yield from _more_of_event(event, known)
    for key in ("context", "integrations"):
        for name, value in new[key].items():
            if name not in old[key]:
                yield f"{key}.{name} is new in every message"
            elif old[key][name] != value:
                yield f"{key}.{name} has another value in every message"


def _more_of_event(new: Json, old: Json) -> Iterator[str]:
    name = new["name"]
    before = {one["name"]: one for one in old["properties"]}
    for one in new["properties"]:
        known = before.get(one["name"])
        if known is None:
            yield f"{name}.{one['name']} is new: {' or '.join(map(in_words, one['accepts']))}"
            continue
        for accepts in _wider(one["accepts"], known["accepts"]):
            yield f"{name}.{one['name']} accepts more: {in_words(accepts)}"
        for source in one["sources"]:
            if source not in known["sources"]:
                yield f"{name}.{one['name']} also comes from {source}"
    for key in ("user_id", "group_id"):
        for accepts in _wider(new[key], old[key]):
            yield f"{name}: {key} accepts more: {in_words(accepts)}"
    rules = {rule["id"]: rule for rule in old["rules"]}
    for rule in new["rules"]:
        if rule["id"] not in rules:
            yield f"{name} is also found by {rule['id']}"
        elif rule["conditions"] != rules[rule["id"]]["conditions"]:
            yield f"{name}: {rule['id']} has other conditions"


def _wider(new: Sequence[Json], old: Sequence[Json]) -> Iterator[Json]:
    for accepts in new:
        if not any(_within(accepts, known) for known in old):
            yield accepts


def _within(inner: Json, outer: Json) -> bool:
    """Whether everything that `inner` accepts is surely accepted by `outer`."""
    if inner == outer:
        return True
    if inner["type"] != outer["type"] or inner.get("pattern") != outer.get("pattern"):
        return False
    if inner.get("private_text") == "not checked" and outer.get("private_text") != "not checked":
        return False
    if "enum" in outer:
        return "enum" in inner and set(inner["enum"]) <= set(outer["enum"])
    return bool(
        inner.get("max_length", 0) <= outer.get("max_length", 0)
        and inner.get("min", float("-inf")) >= outer.get("min", float("-inf"))
        and inner.get("max", float("inf")) <= outer.get("max", float("inf"))
    )
