"""Our message is the library's: `track()` would have made the same of the same inputs."""

import datetime as dt
import inspect
from importlib.metadata import version
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segment.analytics.client import Client
from segment.analytics.request import post
from segment.analytics.version import VERSION

from extractor.ruleset.message import MessageTemplate
from extractor.ruleset.rule import MessageConstants
from extractor.ruleset.value import LAST_TIME

ENCODABLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.one_of(
    ENCODABLE,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)


def tracked(
    *, user_id: str | None, anonymous_id: str | None, context: dict[str, Any], **given: Any
) -> dict[str, Any]:
    """What the library makes of it, as it would be read on the other side."""
    client = Client("key", send=False, sync_mode=True)
    accepted, built = client.track(
        user_id=user_id,
        anonymous_id=anonymous_id,
        event=given["event"],
        properties=given["properties"],
        timestamp=dt.datetime.fromtimestamp(given["time"], dt.UTC),
        message_id=given["message_id"],
        integrations=given["integrations"],
        context=context,
    )
    assert accepted
    read: dict[str, Any] = orjson.loads(orjson.dumps(built))
    return read


@given(
    properties=st.dictionaries(st.from_regex("[a-z_]{1,10}", fullmatch=True), VALUES, max_size=6),
    time=st.floats(0, LAST_TIME),
    user=ENCODABLE.filter(bool),
    anonymous=st.booleans(),
    group=st.none() | st.just("0eb22b12-d903-4cfa-b55f-77e5847bf330"),
    consent=st.booleans(),
)
def test_the_message_is_what_the_library_builds(
    *, properties: dict[str, Any], time: float, user: str, anonymous: bool, group: str | None, consent: bool
) -> None:
    """A server cannot tell whether `track()` or we wrote it: same keys, same texts, same time."""
    own: dict[str, Any] = {"consent": {"categoryPreferences": {"Analytics": True}}} if consent else {}
    integrations: dict[str, Any] = {"All": True, "Mixpanel": False} if consent else {}
    template = MessageTemplate(
        MessageConstants(
            library=("analytics-python", VERSION),
            app=("extractor", "1"),
            context=own,
            integrations=integrations,
        ),
        "order_placed",
    )
    ours = template.fill(
        message_id="0" * 48,
        user_id=None if anonymous else user,
        anonymous_id=user if anonymous else None,
        group_id=group,
        time=time,
        properties=properties,
    )
    context = {**own, "app": {"name": "extractor", "version": "1"}}
    if group is not None:
        context["groupId"] = group
    theirs = tracked(
        user_id=None if anonymous else user,
        anonymous_id=user if anonymous else None,
        context=context,
        event="order_placed",
        properties=dict(properties),
        time=time,
        message_id="0" * 48,
        integrations=integrations,
    )
    assert orjson.loads(ours) == theirs


def test_the_library_is_one_whose_message_we_know() -> None:
    """A new major version may build another message: then this file is to be read again before it is pinned."""
    assert version("segment-analytics-python") == VERSION
    major, minor, *_ = (int(part) for part in VERSION.split("."))
    assert major == 2
    assert minor >= 4


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (
            Client.track,
            [
                "self",
                "user_id",
                "event",
                "properties",
                "context",
                "timestamp",
                "anonymous_id",
                "integrations",
                "message_id",
            ],
        ),
        (post, ["write_key", "host", "gzip", "timeout", "proxies", "oauth_manager", "retry_count", "kwargs"]),
    ],
)
def test_the_library_is_called_as_it_wants_to_be(function: Any, parameters: list[str]) -> None:
    """Both are importable but undocumented: a changed signature must fail here and not at a customer's."""
    assert list(inspect.signature(function).parameters) == parameters
