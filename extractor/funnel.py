"""The way of organizations to activation: how far they got, how long it took, where they stop.

Pure: first times and a pack's steps to numbers. Times that are only those of reading a line, or of its file, are
counted apart and enter no median. May import `store` and `ruleset`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median

from extractor.ruleset import rule
from extractor.ruleset.event import TimeSource
from extractor.store import FirstTime

KNOWN = frozenset({TimeSource.ENVELOPE, TimeSource.LINE})
"""Times of the line itself. The others are of reading: the fact is at most as late as that."""


@dataclass(frozen=True, slots=True)
class Duration:
    """The median (seconds) of so many organizations; None where there is none to measure."""

    median_s: float | None
    measured: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One step.

    Attributes:
        event: Name of its event.
        about: In the pack's words.
        milestone: What the state calls it.
        reached: Organizations that did it.
        read_then: Those of them for whom only the time of reading is known.
        stopped: Organizations for whom this is the last step that they reached.
        since_previous: From the step before, where both times are known and in this order.
        since_first: From the first step, likewise.
    """

    event: str
    about: str
    milestone: str
    reached: int
    read_then: int
    stopped: int
    since_previous: Duration
    since_first: Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Organizations that took the first step in one week.

    Attributes:
        week: Its Monday (UTC).
        reached: How many reached each step, in order; the first is the size of the cohort.
        stopped: For how many each step is the last that they reached.
    """

    week: date
    reached: tuple[int, ...]
    stopped: tuple[int, ...]

    @property
    def size(self) -> int:
        """Organizations in it."""
        return sum(self.stopped)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelReport:
    """The funnel of one pack.

    Attributes:
        pack: Its name.
        organizations: That reached any step.
        steps: In the order of the pack.
        cohorts: By the week of the first step, oldest first; only where its time is known.
        cohorts_read_then: The others, by the week in which their line was read.
        not_seen_first: Organizations that reached a step, but were not seen to take the first: older than the log.
    """

    pack: str
    organizations: int
    steps: tuple[StepReport, ...]
    cohorts: tuple[Cohort, ...]
    cohorts_read_then: tuple[Cohort, ...]
    not_seen_first: int


_Way = Sequence[FirstTime | None]
"""What one organization did of each step."""


def build_funnels(funnels: Iterable[rule.Funnel], first_times: Iterable[FirstTime]) -> list[FunnelReport]:
    """The funnel of each pack that says one."""
    by_organization: defaultdict[bytes, dict[str, FirstTime]] = defaultdict(dict)
    for one in first_times:
        by_organization[one.organization][one.milestone] = one
    return [_build(funnel, by_organization.values()) for funnel in funnels]


def _build(funnel: rule.Funnel, organizations: Iterable[Mapping[str, FirstTime]]) -> FunnelReport:
    ways: list[_Way] = []
    for done in organizations:
        way = [done.get(step.milestone) for step in funnel.steps]
        if any(way):
            ways.append(way)
    stopped = Counter(map(_furthest, ways))
    steps = []
    for number, step in enumerate(funnel.steps):
        here = [one for way in ways if (one := way[number]) is not None]
        steps.append(
            StepReport(
                event=step.event,
                about=step.about,
                milestone=step.milestone,
                reached=len(here),
                read_then=sum(one.time_source not in KNOWN for one in here),
                stopped=stopped[number],
                since_previous=_duration(ways, number - 1, number),
                since_first=_duration(ways, 0, number),
            )
        )
    registered = [(first, way) for way in ways if (first := way[0]) is not None]
    return FunnelReport(
        pack=funnel.pack,
        organizations=len(ways),
        steps=tuple(steps),
        cohorts=_cohorts((first, way) for first, way in registered if first.time_source in KNOWN),
        cohorts_read_then=_cohorts(
            (first, way) for first, way in registered if first.time_source not in KNOWN
        ),
        not_seen_first=len(ways) - len(registered),
    )


def _furthest(way: _Way) -> int:
    return max(number for number, one in enumerate(way) if one is not None)


def _duration(ways: Iterable[_Way], start: int, end: int) -> Duration:
    if not 0 <= start < end:
        return Duration(None, 0)
    spans = [
        after.time - before.time
        for way in ways
        if (before := way[start]) is not None
        and (after := way[end]) is not None
        and before.time_source in KNOWN
        and after.time_source in KNOWN
        and after.time >= before.time
    ]
    return Duration(median(spans) if spans else None, len(spans))


def _cohorts(registered: Iterable[tuple[FirstTime, _Way]]) -> tuple[Cohort, ...]:
    weeks: defaultdict[date, list[_Way]] = defaultdict(list)
    for first, way in registered:
        weeks[_monday(first.time)].append(way)
    cohorts = []
    for week, ways in sorted(weeks.items()):
        steps = range(len(ways[0]))
        stopped = Counter(map(_furthest, ways))
        cohorts.append(
            Cohort(
                week=week,
                reached=tuple(sum(way[number] is not None for way in ways) for number in steps),
                stopped=tuple(stopped[number] for number in steps),
            )
        )
    return tuple(cohorts)


def _monday(moment: float) -> date:
    day = datetime.fromtimestamp(moment, UTC).date()
    return day - timedelta(days=day.weekday())


def funnel_as_object(report: FunnelReport) -> dict[str, object]:
    """The funnel for programs; `docs/page.md` says what the keys mean. Times are seconds, weeks their Monday (UTC)."""
    return {
        "pack": report.pack,
        "organizations": report.organizations,
        "not_seen_first": report.not_seen_first,
        "steps": [
            {
                "event": step.event,
                "milestone": step.milestone,
                "about": step.about,
                "organizations": step.reached,
                "read_then": step.read_then,
                "stopped_here": step.stopped,
                "since_previous": _as_object(step.since_previous),
                "since_first": _as_object(step.since_first),
            }
            for step in report.steps
        ],
        "cohorts": list(map(_cohort_as_object, report.cohorts)),
        "cohorts_read_then": list(map(_cohort_as_object, report.cohorts_read_then)),
    }


def _as_object(duration: Duration) -> dict[str, object]:
    return {"median_s": duration.median_s, "organizations": duration.measured}


def _cohort_as_object(cohort: Cohort) -> dict[str, object]:
    return {
        "week": cohort.week.isoformat(),
        "organizations": cohort.size,
        "reached": list(cohort.reached),
        "stopped": list(cohort.stopped),
    }
