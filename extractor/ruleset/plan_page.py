"""The tracking plan as a page for people: what is collected and why, what never is, how to opt out.

Rendered from the plan, hence from the rules that decide; the page for the shipped pack is `docs/events.md`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from extractor.problems import spell_out
from extractor.ruleset.plan import PlannedEvent, PlannedProperty, TrackingPlan
from extractor.ruleset.rule import UnidentifiedUsers
from extractor.ruleset.value import Constraint, Type

_NEVER = """\
## What never is

- **Amounts**: no price, total, balance, tax, fee or revenue.
- **Personal data**: no e-mail address, phone number, postal address, name of a person or a company, date of birth.
- **Tax, card and bank numbers, passwords, tokens, API keys, IP addresses, cookies.**
- **Whole objects**: every property is named below, one by one, with what it may be. What is not named does not leave,
  also when a new version of the app begins to log it.

Three things hold this:

1. An event is *built from* the list below; nothing is copied and then cleaned. A rule whose property is named like
   an amount or personal data (`amount_cents`, `email`, ...), or read from a field of such a name, is not loaded.
2. A text in which an e-mail address, a phone, card or bank account number, a token, an API key or an amount of
   money stands is left out, and counted.
3. A second program part that shares nothing with the first but this plan reads the bytes of each request before they
   leave, and refuses what the plan does not name.

What no program can tell: a person's name or a street that somebody wrote into a free text, such as the name of a
plan. Such texts are marked *free text* below; `drop_properties` takes them out."""


def render_markdown(plan: TrackingPlan, *, opt_out_variables: Sequence[str] = ()) -> str:
    """The page.

    Args:
        plan: What can leave.
        opt_out_variables: Names in the environment that switch everything off.
    """
    return "\n".join(_lines(plan, opt_out_variables)) + "\n"


def _lines(plan: TrackingPlan, opt_out_variables: Sequence[str]) -> Iterator[str]:
    yield "# Tracking plan"
    yield "\nWhat can leave this machine, and nothing else: rendered from the rules that decide it."
    yield "\n## What is collected, and why"
    yield "\nThat something happened, when, in which organization, by which member: the steps by which an organization"
    yield "starts to use the billing app. What for: to see which steps are taken and where organizations get stuck."
    yield "\n| event | what happened | what it is good for |\n|---|---|---|"
    for event in plan.events:
        yield f"| [`{event.name}`](#{event.name}) | {_words(event.about)} | {_words(event.why)} |"
    yield f"\n{_every_event(plan)}"
    yield f"\n{_NEVER}"
    yield from _opt_out(opt_out_variables)
    for event in plan.events:
        yield from _event(event)
    if plan.disabled:
        yield "\n## Switched off\n"
        yield from (f"- `{rule}`" for rule in plan.disabled)
    if plan.cannot_show:
        yield "\n## What a log cannot show\n"
        yield from (f"- {_words(note)}" for note in plan.cannot_show)


def _every_event(plan: TrackingPlan) -> str:
    user = "`userId`, the member as `membership/<uuid>`, or `membership/unidentifiable` where the log does not tell"
    if plan.unidentified_users is UnidentifiedUsers.ANONYMOUS:
        user = "`userId`, the member; where the log does not tell, an `anonymousId` made of the organization's id"
    rows = [
        "Besides its own properties every event, a Segment *track* call, carries:\n",
        "- `event`, `type`, `messageId` (a keyed hash) and `timestamp`;",
        f"- {user};",
        "- `context.groupId`, the organization, where the log tells;",
        f"- `context.app` and `context.library`: the names {plan.app[0]} and {plan.library[0]}, and their versions;",
        f"- {_constants('context', plan.context)};",
        f"- {_constants('integrations', plan.integrations)}.",
    ]
    return "\n".join(rows)


def _constants(where: str, keys: Mapping[str, object]) -> str:
    named = ", ".join(f"`{where}.{key}`" for key in keys)
    return f"{named}: constants of the operator's config" if named else f"nothing else in `{where}`"


def _opt_out(variables: Sequence[str]) -> Iterator[str]:
    yield "\n## How to opt out\n"
    if variables:
        names = " or ".join(f"`{name}=true`" for name in variables)
        yield f"- **Everything**: {names} in the environment, or `enabled: false` in the config, or a file `OPT_OUT` in the"
    else:
        yield "- **Everything**: `enabled: false` in the config, or a file `OPT_OUT` in the"
    yield "  state folder. From then on no byte is sent, what waited is purged, and what the app logs meanwhile is never"
    yield "  sent afterwards."
    yield "- **An organization**: `organizations: {never: [ID]}` in the config."
    yield "- **A property**: `drop_properties: [name, description]`. **A rule**: `rules: [{pack: lago, disable: [RULE]}]`."
    yield "- **What was stored here before**: `extractor forget --organization ID` or `--user ID` erases it, and says what"
    yield "  Segment must still be asked to delete."


def _event(event: PlannedEvent) -> Iterator[str]:
    yield f"\n## {event.name}\n\n{_words(event.about)}."
    if event.why:
        yield f"\nWhat for: {_words(event.why[0].lower() + event.why[1:])}."
    yield "\n| property | what it is | accepted | comes from | always there |\n|---|---|---|---|---|"
    yield from map(_property, event.properties)
    yield f"\nUser id: {_either(event.users)}."
    if event.groups:
        yield f"\nGroup id: {_either(event.groups)}."
    yield "\nFound where:\n"
    for rule in event.rules:
        about = f": {_words(rule.about)}" if rule.about else ""
        yield f"- `{rule.id}`{about}. {_words(rule.key[0].upper() + rule.key[1:])}."
        yield from (f"    - {_code(condition)}" for condition in rule.conditions)


def _property(one: PlannedProperty) -> str:
    accepted = " or ".join(map(_accepted, one.constraints))
    sources = ", ".join(map(_code, one.sources))
    about = one.about + (f" (reason: {one.reason})" if one.reason else "")
    always = "yes" if one.required else "no"
    return f"| `{one.name}` | {_words(about)} | {_in_cell(accepted)} | {_in_cell(sources)} | {always} |"


def _accepted(constraint: Constraint) -> str:
    """In words, with a warning where anybody may have written anything."""
    if constraint.type is not Type.STRING or constraint.enum or constraint.pattern is not None:
        return _in_words(constraint)
    return f"{'free text' if constraint.check_text else 'free text, not checked'}: {_in_words(constraint)}"


def _in_words(constraint: Constraint) -> str:
    """A constraint, its pattern as code."""
    if constraint.pattern is None:
        return _words(str(constraint))
    before, _, after = str(constraint).partition(f" {constraint.pattern.text}")
    return f"{_words(before)} {_code(constraint.pattern.text)}{_words(after)}"


def _either(constraints: Sequence[Constraint]) -> str:
    return " or ".join(map(_in_words, constraints))


_BAR = re.compile(r"(?<!\\)\|")
_MARKUP = re.compile(r"[\\<>&\[\]`|#~]")
"""What begins a link, a picture, HTML (a comment hides all behind it), code, a heading or a cell, in CommonMark."""


def _words(text: str) -> str:
    """What a pack says, as words and nothing else: the page must not be its author's to shape."""
    return _MARKUP.sub(r"\\\g<0>", _line(text))


def _code(text: str) -> str:
    """The same as code, whatever stands in it."""
    line = _line(text)
    if "`" not in line:
        return f"`{line}`"
    fence = "`" * (max(map(len, re.findall("`+", line))) + 1)
    return f"{fence} {line} {fence}"


def _in_cell(text: str) -> str:
    """What is to stand in a cell: a bar in code ends it all the same."""
    return _BAR.sub(r"\|", text)


def _line(text: str) -> str:
    return spell_out(" ".join(text.split()))
