"""Lines for tests of what people outside may write: of the app's shape, with a content of the test's."""

import json

from tests.commands import ORGANIZATION

JOB_ID = "ced4712e-3d54-42e0-b44e-6b7df3aa28ac"
ESCAPES = "\x1b[31m\x1b]0;owned\x07\x9b2J\u202e\u2028\r\n\x08\x7f"
"""What acts on terminals: colours, titles, erasing, marks of direction, ends of lines, deletions."""


def tracked(arguments: str, **more: object) -> bytes:
    """A line of the app's tracking job with these arguments."""
    fields = {"event": "enqueue", "job": "SegmentTrackJob", "job_id": JOB_ID, "arguments": arguments}
    return json.dumps(fields | more).encode()


def plan_created(properties: str) -> bytes:
    """One that shows a new plan with these properties, in Ruby's words."""
    return tracked(
        f'{{event: "plan_created", properties: {{organization_id: "{ORGANIZATION}", {properties}}}}}'
    )


def request(**fields: object) -> bytes:
    """A request that made a one-off invoice, or whatever `fields` make of it."""
    known: dict[str, object] = {
        "method": "POST",
        "controller": "Api::V1::InvoicesController",
        "action": "create",
        "status": 200,
        "organization_id": ORGANIZATION,
    }
    return json.dumps(known | fields).encode()


def graphql(query: str) -> bytes:
    """A GraphQL request with this document."""
    fields = {"controller": "GraphqlController", "action": "execute", "params": {"query": query}}
    return request(**fields)
