"""Numbers to shapes: the geometry of the page's pictures, in units of their own view boxes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from extractor.funnel import Cohort

WEEKS = 16
"""Weeks in the picture of cohorts; all of them stand in `funnel --json`."""
SPARK_DAYS = 30
FAINTEST = 0.2
"""Opacity of the first step; the last one has 1."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A bar, or a part of one."""

    x: float
    y: float
    width: float
    height: float
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekRow:
    """A week of the cohort picture: parts of a bar 100 wide, by the step at which organizations stand."""

    week: date
    parts: tuple[Rectangle, ...]
    reached: tuple[int, ...]
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """A bar a day, 120 wide and 24 high, and what it shows in numbers."""

    bars: tuple[Rectangle, ...]
    total: int
    days: int
    largest: int
    last: int


def opacity_of(step: int, steps: int) -> float:
    """How strong a step is drawn: the further, the stronger."""
    return round(FAINTEST + (1 - FAINTEST) * step / max(steps - 1, 1), 3)


def draw_cohorts(cohorts: Sequence[Cohort]) -> tuple[WeekRow, ...]:
    """The last weeks up to the newest cohort; weeks in which nobody began are rows, too."""
    if not cohorts:
        return ()
    by_week = {cohort.week: cohort for cohort in cohorts}
    newest = cohorts[-1].week
    oldest = max(cohorts[0].week, newest - timedelta(weeks=WEEKS - 1))
    weeks = [oldest + timedelta(weeks=number) for number in range((newest - oldest).days // 7 + 1)]
    steps = len(cohorts[0].reached)
    largest = max(by_week[week].size for week in weeks if week in by_week)
    return tuple(_row(week, by_week.get(week), steps, largest) for week in weeks)


def _row(week: date, cohort: Cohort | None, steps: int, largest: int) -> WeekRow:
    if cohort is None:
        return WeekRow(week=week, parts=(), reached=(0,) * steps, size=0)
    parts = []
    x = 0.0
    # Those who came furthest stand first, where bars have a common line to be compared along.
    for step in reversed(range(steps)):
        width = 100 * cohort.stopped[step] / largest
        if width:
            parts.append(Rectangle(round(x, 3), 0, round(width, 3), 10, opacity_of(step, steps)))
        x += width
    return WeekRow(week=week, parts=tuple(parts), reached=cohort.reached, size=cohort.size)


def draw_spark(counts: Sequence[int]) -> Spark:
    """A bar for each day, oldest first; a day without a match is a hairline."""
    largest = max(counts, default=0)
    pitch = 120 / max(len(counts), 1)
    bars = []
    for number, count in enumerate(counts):
        height = max(1.0, 24 * count / largest) if count else 0.5
        bars.append(
            Rectangle(
                round(number * pitch, 2), round(24 - height, 2), round(pitch * 0.72, 2), round(height, 2)
            )
        )
    return Spark(
        bars=tuple(bars),
        total=sum(counts),
        days=len(counts),
        largest=largest,
        last=counts[-1] if counts else 0,
    )
