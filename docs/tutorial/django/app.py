"""A help desk as a small Django app that logs with structlog: nothing in it knows of `extractor`.

`people.py` uses it and writes a log.
"""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
import structlog
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path

log = structlog.get_logger()
teams: dict[str, dict[str, Any]] = {}
tickets: dict[str, dict[str, Any]] = {}


def as_member(view: Callable[..., JsonResponse]) -> Callable[..., JsonResponse]:
    """Who asks, and of which team: in every line that is logged meanwhile, that of the request included."""

    def called(request: HttpRequest, **ids: str) -> JsonResponse:
        known = {"member_id": request.headers.get("X-Member"), "team_id": request.headers.get("X-Team")}
        structlog.contextvars.bind_contextvars(**{name: value for name, value in known.items() if value})
        return view(request, json.loads(request.body or b"{}"), **ids)

    return called


@as_member
def register(_request: HttpRequest, asked: dict[str, Any]) -> JsonResponse:
    """A team signs up."""
    team, member = str(uuid.uuid4()), str(uuid.uuid4())
    teams[team] = {"name": asked["name"], "channels": {}}
    structlog.contextvars.bind_contextvars(team_id=team, member_id=member)
    log.info("team_registered", team_name=asked["name"], email=asked["email"], plan=asked["plan"])
    return JsonResponse({"team": team, "member": member}, status=201)


@as_member
def connect(request: HttpRequest, asked: dict[str, Any]) -> JsonResponse:
    """A channel is connected, or its settings change: the same request, and the same line."""
    teams[request.headers["X-Team"]]["channels"][asked["kind"]] = asked["address"]
    log.info("channel_saved", kind=asked["kind"], address=asked["address"])
    return JsonResponse({})


@as_member
def invite(_request: HttpRequest, asked: dict[str, Any]) -> JsonResponse:
    """A colleague is invited."""
    log.info("member_invited", invitation_id=str(uuid.uuid4()), email=asked["email"], role=asked["role"])
    return JsonResponse({}, status=201)


@as_member
def open_ticket(request: HttpRequest, asked: dict[str, Any]) -> JsonResponse:
    """A customer asks something."""
    channel = asked.get("channel")
    if channel not in teams[request.headers["X-Team"]]["channels"]:
        log.warning("ticket_refused", channel=channel, reason="channel is not connected")
        return JsonResponse({"error": "channel"}, status=422)
    ticket = str(uuid.uuid4())
    tickets[ticket] = {"state": "open"}
    log.info("ticket_state", ticket_id=ticket, state="open", channel=channel, subject=asked["subject"])
    return JsonResponse({"ticket": ticket}, status=201)


@as_member
def change_ticket(_request: HttpRequest, asked: dict[str, Any], ticket: str) -> JsonResponse:
    """Its state is set, to what it was, too."""
    tickets[ticket]["state"] = asked["state"]
    log.info("ticket_state", ticket_id=ticket, state=asked["state"], note=asked.get("note"))
    return JsonResponse({})


urlpatterns = [
    path("teams", register),
    path("channels", connect),
    path("invitations", invite),
    path("tickets", open_ticket),
    path("tickets/<str:ticket>", change_ticket),
]


def start(log_file: Path) -> None:
    """Configure Django, and structlog to write one JSON object a line to a file."""
    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="of-an-example",  # noqa: S106  # it signs nothing
        INSTALLED_APPS=["django_structlog"],
        MIDDLEWARE=["django_structlog.middlewares.RequestMiddleware"],
        LOGGING_CONFIG=None,
        USE_TZ=True,
    )
    django.setup()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=log_file.open("a", encoding="utf-8", buffering=1)),
    )
