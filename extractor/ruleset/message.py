"""The Segment message: built from the allowlist, equal to what the library's `track()` makes.

A contract test holds the two together (`tests/ruleset/test_message.py`); building it here keeps the pure core free
of the library, and a line's value meets nothing on its way but its constraint.
"""

from collections.abc import Mapping

import orjson

from extractor.ruleset.condition import ScalarValue
from extractor.ruleset.rule import MessageConstants
from extractor.ruleset.value import render_time


def build_message(
    constants: MessageConstants,
    *,
    event: str,
    message_id: str,
    user_id: str | None,
    anonymous_id: str | None,
    group_id: str | None,
    time: float,
    properties: Mapping[str, ScalarValue],
) -> bytes:
    """One track call as JSON in UTF-8, the form in which it is stored, shown and posted.

    Args:
        constants: What stands in every message.
        event: The event's name.
        message_id: See `Identity.message_id`.
        user_id: `membership/<uuid>`, or None where an anonymous id is sent.
        anonymous_id: None where a user id is sent.
        group_id: The organization, for `context.groupId`.
        time: Unix seconds; written with milliseconds.
        properties: Admitted values only.
    """
    context: dict[str, object] = dict(constants.context)
    if group_id is not None:
        context["groupId"] = group_id
    context["app"] = {"name": constants.app[0], "version": constants.app[1]}
    context["library"] = {"name": constants.library[0], "version": constants.library[1]}
    return orjson.dumps(
        {
            "integrations": dict(constants.integrations),
            "anonymousId": anonymous_id,
            "properties": properties,
            "timestamp": render_time(time),
            "context": context,
            "userId": user_id,
            "type": "track",
            "event": event,
            "messageId": message_id,
        }
    )
