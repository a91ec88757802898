"""The page as HTML: templates that escape everything, and a policy that lets nothing run or load.

The style sheet stands in the page, named by its hash in the policy, so that the served page and the file are the same
and neither asks for anything else.
"""

from base64 import b64encode
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from extractor.page.contents import Page
from extractor.page.pictures import opacity_of
from extractor.page.trial import MAX_LINES, Trial
from extractor.problems import spell_out
from extractor.words import age_text, share_text, size_text, span_text


def style_sheet() -> str:
    """The style sheet."""
    return (files("extractor.page") / "templates" / "page.css").read_text(encoding="utf-8")


@lru_cache(maxsize=2)
def policy(*, served: bool) -> str:
    """The Content-Security-Policy: no script, no request, no frame; one style sheet; forms to ourselves alone.

    Args:
        served: As a header; else for a file, in which no form may be sent.
    """
    digest = b64encode(sha256(style_sheet().encode()).digest()).decode()
    form = "'self'" if served else "'none'"
    rules = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action {form}"
    return f"{rules}; frame-ancestors 'none'" if served else rules


def render_page(page: Page, *, served: bool, trial: Trial | None = None) -> str:
    """The whole page.

    Args:
        page: What stands on it.
        served: By the local server, which can try a line; else it is a file of its own.
        trial: A line that was tried.
    """
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            served=served,
            trial=trial,
            policy=policy(served=served),
            style=Markup(style_sheet()),  # noqa: S704 - our own file, and its hash must stay
            max_lines=MAX_LINES,
            opacity_of=opacity_of,
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("extractor.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        age=age_text,
        size=size_text,
        count=_count,
        span=span_text,
        visible=_visible,
        coded=_coded,
        utc=_utc,
        iso=_iso,
        week=_week,
        share=share_text,
    )
    return environment


def _visible(text: object) -> str:
    """What a log says, with all that could hide or reorder it spelled out; line ends stay."""
    return "\n".join(map(spell_out, str(text).split("\n")))


def _coded(sentence: str) -> Markup:
    """A sentence of ours, in which commands and fields stand between backticks; escaped like any other."""
    parts = _visible(sentence).split("`")
    if len(parts) % 2 == 0:
        return escape(_visible(sentence))  # a backtick of a log
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def _count(number: float) -> str:
    return f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%-d %b %Y, %H:%M")


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _week(monday: datetime) -> str:
    return monday.strftime("%-d %b")
