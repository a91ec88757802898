"""The Segment message: built from the allowlist, equal to what the library's `track()` makes.

A contract test holds the two together (`tests/ruleset/test_message.py`); building it here keeps the pure core free
of the library, and a line's value meets nothing on its way but its constraint.
"""

from collections.abc import Mapping

import orjson

from extractor.ruleset.condition import ScalarValue
from extractor.ruleset.rule import MessageConstants
from extractor.ruleset.value import render_time


class MessageTemplate:
    """The messages of one event: what all of them say is spelled once."""

    __slots__ = ("_app_and_library", "_event", "_integrations", "_own_context")

    def __init__(self, constants: MessageConstants, event: str) -> None:
        """Make one.

        Args:
            constants: What stands in every message.
            event: The event's name.
        """
        self._integrations = orjson.dumps(dict(constants.integrations))
        self._event = orjson.dumps(event)
        named = (("app", constants.app), ("library", constants.library))
        ours = {key: {"name": name, "version": version} for key, (name, version) in named}
        # Context is what the operator says, then the group, then these.
        self._own_context = b"".join(member + b"," for member in _members(constants.context))
        self._app_and_library = b",".join(_members(ours))

    def fill(
        self,
        *,
        message_id: str,
        user_id: str | None,
        anonymous_id: str | None,
        group_id: str | None,
        time: float,
        properties: Mapping[str, ScalarValue],
    ) -> bytes:
        """One track call as JSON in UTF-8, the form in which it is stored, shown and posted.

        Args:
            message_id: See `Identity.message_id`.
            user_id: `membership/<uuid>`, or None where an anonymous id is sent.
            anonymous_id: None where a user id is sent.
            group_id: The organization, for `context.groupId`.
            time: Unix seconds; written with milliseconds.
            properties: Admitted values only.
        """
        return (
            b'{"integrations":%b,"anonymousId":%b,"properties":%b,"timestamp":"%b","context":{%b%b%b},'
            b'"userId":%b,"type":"track","event":%b,"messageId":"%b"}'
        ) % (
            self._integrations,
            b"null" if anonymous_id is None else orjson.dumps(anonymous_id),
            orjson.dumps(properties),
            render_time(time).encode(),
            self._own_context,
            b"" if group_id is None else b'"groupId":%b,' % orjson.dumps(group_id),
            self._app_and_library,
            orjson.dumps(user_id),
            self._event,
            message_id.encode(),
        )


def _members(constants: Mapping[str, object]) -> list[bytes]:
    return [orjson.dumps({name: value})[1:-1] for name, value in constants.items()]
