"""The funnel: counts, medians and weeks, with what is only "read then" kept apart."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.funnel import FunnelReport, build_funnels
from extractor.page.contents import quiet_days
from extractor.page.pictures import WEEKS, draw_cohorts, draw_spark
from extractor.ruleset.event import TimeSource
from extractor.ruleset.rule import Funnel, Step
from extractor.store import FirstTime

HOUR = 3600.0
DAY = 24 * HOUR
MONDAY = 1_763_942_400.0  # 2025-11-24 00:00 UTC
FUNNEL = Funnel(
    pack="shop",
    steps=(
        Step(event="registered", about="Registered"),
        Step(event="ordered", about="First order"),
        Step(event="paid", about="First payment", property_name="status", equals="succeeded"),
    ),
)
MILESTONES = tuple(step.milestone for step in FUNNEL.steps)


def first(organization: str, step: int, time: float, source: TimeSource = TimeSource.LINE) -> FirstTime:
    """What the state keeps of one step of one organization."""
    return FirstTime(organization.encode(), MILESTONES[step], time, source)


def build(*first_times: FirstTime) -> FunnelReport:
    """The funnel of these."""
    (report,) = build_funnels([FUNNEL], first_times)
    return report


def test_each_organization_counts_once_at_each_step_it_reached() -> None:
    """How many reached a step, and for how many it is the last one."""
    report = build(
        first("a", 0, MONDAY), first("a", 1, MONDAY + HOUR), first("a", 2, MONDAY + 3 * HOUR),
        first("b", 0, MONDAY), first("b", 1, MONDAY + 5 * HOUR),
        first("c", 0, MONDAY),
        FirstTime(b"d", "something else", MONDAY, TimeSource.LINE),
    )  # fmt: skip
    assert report.organizations == 3
    assert [step.reached for step in report.steps] == [3, 2, 1]
    assert [step.stopped for step in report.steps] == [1, 1, 1]
    assert [step.since_previous.median_s for step in report.steps] == [None, 3 * HOUR, 2 * HOUR]
    assert [step.since_first.median_s for step in report.steps] == [None, 3 * HOUR, 3 * HOUR]


def test_what_is_read_then_is_counted_apart_and_enters_no_median() -> None:
    """A step whose time is only that of reading is reached, and measures nothing."""
    report = build(
        first("a", 0, MONDAY), first("a", 1, MONDAY + 9 * DAY, TimeSource.READ),
        first("b", 0, MONDAY, TimeSource.MODIFIED), first("b", 1, MONDAY + 1),
        first("c", 0, MONDAY, TimeSource.ASSUMED),
    )  # fmt: skip
    assert [step.reached for step in report.steps] == [3, 2, 0]
    assert [step.read_then for step in report.steps] == [2, 1, 0]
    assert [step.since_previous.measured for step in report.steps] == [0, 0, 0]
    assert [cohort.size for cohort in report.cohorts] == [1]
    assert [cohort.size for cohort in report.cohorts_read_then] == [2]


def test_steps_taken_in_another_order_measure_nothing() -> None:
    """An invoice before the subscription is no negative duration."""
    report = build(first("a", 0, MONDAY), first("a", 1, MONDAY + DAY), first("a", 2, MONDAY + HOUR))
    assert report.steps[2].since_previous.measured == 0
    assert report.steps[2].since_first.median_s == HOUR


def test_who_is_older_than_the_log_has_no_week() -> None:
    """An organization that was not seen to register counts where it was seen, in no cohort."""
    report = build(first("a", 1, MONDAY), first("b", 0, MONDAY))
    assert (report.organizations, report.not_seen_first) == (2, 1)
    assert [cohort.size for cohort in report.cohorts] == [1]


def test_weeks_begin_on_monday_in_utc() -> None:
    """The second before midnight belongs to the week before."""
    report = build(first("a", 0, MONDAY - 1), first("b", 0, MONDAY), first("c", 0, MONDAY + 7 * DAY - 1))
    assert [(cohort.week, cohort.size) for cohort in report.cohorts] == [
        (date(2025, 11, 17), 1),
        (date(2025, 11, 24), 2),
    ]


FIRST_TIMES = st.lists(
    st.builds(
        first,
        st.sampled_from("abcdefgh"),
        st.integers(0, 2),
        st.floats(0, 4e9),
        st.sampled_from(TimeSource),
    ),
    unique_by=lambda one: (one.organization, one.milestone),
)


@given(FIRST_TIMES)
def test_nobody_is_lost_or_counted_twice(first_times: list[FirstTime]) -> None:
    """Everybody stops at one step, and is in one cohort or older than the log."""
    report = build(*first_times)
    cohorts = (*report.cohorts, *report.cohorts_read_then)
    assert sum(step.stopped for step in report.steps) == report.organizations
    assert sum(cohort.size for cohort in cohorts) + report.not_seen_first == report.organizations
    assert sum(step.reached for step in report.steps) == len(first_times)
    assert sum(cohort.reached[0] for cohort in cohorts) == report.steps[0].reached


@given(FIRST_TIMES, st.floats(0, 4e9))
def test_no_time_of_reading_moves_a_median(first_times: list[FirstTime], moved: float) -> None:
    """Whenever lines without a time were read, the medians are the same."""
    known = {TimeSource.LINE, TimeSource.ENVELOPE}
    later = [
        one
        if one.time_source in known
        else FirstTime(one.organization, one.milestone, moved, one.time_source)
        for one in first_times
    ]
    assert [step.since_previous for step in build(*first_times).steps] == [
        step.since_previous for step in build(*later).steps
    ]


@given(FIRST_TIMES)
def test_a_week_s_bar_is_as_long_as_its_cohort_is_large(first_times: list[FirstTime]) -> None:
    """Parts lie side by side, the largest week fills the width, and no week is left out of the span."""
    report = build(*first_times)
    rows = draw_cohorts(report.cohorts)
    assert len(rows) <= WEEKS
    largest = max((row.size for row in rows), default=0)
    for row in rows:
        assert sum(part.width for part in row.parts) == pytest.approx(
            100 * Fraction(row.size, largest), abs=0.01
        )
    assert sum(row.size for row in rows) <= sum(cohort.size for cohort in report.cohorts)
    if rows:
        assert rows[-1].week == report.cohorts[-1].week


def test_a_sparkline_tells_a_day_without_a_match_from_one_with_few() -> None:
    """One match among thousands can still be seen."""
    spark = draw_spark([0, 1, 5000])
    assert [bar.height for bar in spark.bars] == [0.5, 1.0, 24.0]
    assert (spark.total, spark.largest, spark.last) == (5001, 5000, 5000)


@pytest.mark.parametrize(
    ("counts", "quiet"),
    [
        ([5, 4, 6, 5, 0, 0, 0], 3),
        ([5, 4, 6, 5, 0, 0], 0),  # a weekend
        ([5, 0, 0, 5, 0, 0, 5, 0, 0, 0, 0, 0], 0),  # it pauses often
        ([5, 0, 0, 5, 0, 0, 5, 0, 0, 0, 0, 0, 0], 6),
        ([0, 0, 9, 9, 0, 0, 0, 0], 0),  # too little to tell
        ([], 0),
    ],
)
def test_quiet_is_what_is_unusual_for_the_rule(counts: list[int], quiet: int) -> None:
    """A rule is called quiet by its own pauses, not by one number for all."""
    assert quiet_days(counts) == quiet
