"""What stands on the page: asked of the state, the disk and the rules. Reads only, and decides nothing about looks."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import extractor
from extractor.config import Config, Segment
from extractor.funnel import FunnelReport, build_funnels
from extractor.gathered import READ_BYTES
from extractor.page.pictures import SPARK_DAYS, Spark, WeekRow, draw_cohorts, draw_spark
from extractor.ruleset.plan import PlannedEvent, TrackingPlan, build_plan
from extractor.ruleset.rule import RuleSet
from extractor.status import Report, build_report
from extractor.store import Clock, DailyCount, DeadReason, SentEvent, SentRate, StoreError, StoreReader

DAY_S = 86_400.0
MATCHED = "matched"
RATES_S = (3600.0, DAY_S, 7 * DAY_S)
QUIET_FACTOR = 3
QUIET_DAYS = 3
"""A rule is quiet after three times its longest pause of the last 30 days, and at least so many days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """One pack's funnel with its pictures."""

    funnel: FunnelReport
    weeks: tuple[WeekRow, ...]
    weeks_read_then: tuple[WeekRow, ...]

    @property
    def most(self) -> int:
        """The largest number of organizations at any step: the whole width of a bar."""
        return max((step.reached for step in self.funnel.steps), default=0)

    @property
    def read_then(self) -> int:
        """Steps of organizations of which only the time of reading is known."""
        return sum(step.read_then for step in self.funnel.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """An event that may leave, and the last message that did.

    Attributes:
        planned: From the plan.
        last: The last acknowledged message, or None.
        text: That message, laid out.
    """

    planned: PlannedEvent
    last: SentEvent | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How reading and delivery are.

    Attributes:
        report: As `status` shows it.
        rates: Acknowledged events.
        read_today: Bytes of logs read since midnight (UTC).
        read_a_day: Bytes read a day, over the days before of the last 30 on which any were.
        dead: Dead letters by kind.
    """

    report: Report
    rates: tuple[SentRate, ...]
    read_today: int
    read_a_day: float
    dead: tuple[DeadReason, ...]

    @property
    def lag(self) -> int:
        """Bytes still to be read."""
        return sum(file.lag for file in self.report.files if file.standing.value in {"followed", "new"})

    @property
    def lost_bytes(self) -> int:
        """Bytes that were gone before they could be read."""
        return sum(file.lost_bytes for file in self.report.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """One rule: when it matched.

    Attributes:
        id: Its id.
        event: Its event; "" for a rule that only touches memory.
        about: In the pack's words.
        last_at: Unix seconds, or None if never.
        matches: Lines, of all days kept.
        spark: Matches a day.
        quiet_days: For how many days it has been silent, where that is longer than it ever was; else 0.
        drifted: An alarm names it: the lines that it looks at seem to have changed.
    """

    id: str
    event: str
    about: str
    last_at: float | None
    matches: int
    spark: Spark
    quiet_days: int
    drifted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything on it.

    Attributes:
        at: When it was made (unix seconds).
        version: Ours.
        destination: Where events go, in words.
        kept_days: How long delivered messages are kept.
        plan: What can leave.
        leaving: Event by event.
        no_state: Why the state cannot be shown; "" if it can.
        activation: The funnel of each pack that says one.
        health: None without a state.
        rules: Enabled rules, in the order of the config.
    """

    at: float
    version: str
    destination: str
    kept_days: float
    plan: TrackingPlan
    leaving: tuple[Leaving, ...]
    no_state: str = ""
    activation: tuple[Activation, ...] = ()
    health: Health | None = None
    rules: tuple[RuleView, ...] = ()


def build_page(config: Config, rules: RuleSet, environ: Mapping[str, str], *, clock: Clock) -> Page:
    """Ask everything. A state that is not there, or cannot be read, is said on the page."""
    plan = build_plan(rules)
    destination = config.destination.host if isinstance(config.destination, Segment) else "standard output"
    try:
        reader = StoreReader.open_for_reading(config.state_dir, clock=clock)
        try:
            last = reader.last_sent([event.name for event in plan.events])
            health = _health(config, rules, reader, environ, clock=clock)
            activation = tuple(
                Activation(
                    funnel=funnel,
                    weeks=draw_cohorts(funnel.cohorts),
                    weeks_read_then=draw_cohorts(funnel.cohorts_read_then),
                )
                for funnel in build_funnels(rules.funnels, reader.first_times())
            )
            views = _rules(
                rules, health.report, reader.daily(MATCHED, clock.now() - SPARK_DAYS * DAY_S), clock.now()
            )
        finally:
            reader.close()
    except StoreError as error:
        return Page(
            at=clock.now(),
            version=extractor.__version__,
            destination=destination,
            kept_days=config.sent_s / DAY_S,
            plan=plan,
            leaving=tuple(Leaving(planned=event, last=None, text="") for event in plan.events),
            no_state=str(error),
        )
    return Page(
        at=clock.now(),
        version=extractor.__version__,
        destination=destination,
        kept_days=config.sent_s / DAY_S,
        plan=plan,
        leaving=tuple(
            Leaving(planned=event, last=last.get(event.name), text=_laid_out(last.get(event.name)))
            for event in plan.events
        ),
        activation=activation,
        health=health,
        rules=views,
    )


def _health(
    config: Config, rules: RuleSet, reader: StoreReader, environ: Mapping[str, str], *, clock: Clock
) -> Health:
    now = clock.now()
    by_day: defaultdict[int, int] = defaultdict(int)
    for one in reader.daily(READ_BYTES, now - SPARK_DAYS * DAY_S):
        by_day[one.day] += one.count
    today = by_day.pop(int(now // DAY_S), 0)
    return Health(
        report=build_report(config, rules, reader, environ, clock=clock),
        rates=tuple(reader.sent_rates(RATES_S)),
        read_today=today,
        read_a_day=sum(by_day.values()) / len(by_day) if by_day else 0.0,
        dead=tuple(reader.dead_reasons()),
    )


def _rules(rules: RuleSet, report: Report, counts: Sequence[DailyCount], now: float) -> tuple[RuleView, ...]:
    today = int(now // DAY_S)
    by_rule: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for one in counts:
        by_rule[one.rule][one.day] = one.count
    seen = {one.rule: one for one in report.snapshot.rules}
    views = []
    for rule in rules.rules:
        known = seen.get(rule.id)
        days = [by_rule[rule.id].get(today - back, 0) for back in reversed(range(SPARK_DAYS))]
        views.append(
            RuleView(
                id=rule.id,
                event=rule.event or "",
                about=rule.about,
                last_at=None if known is None else known.last_at,
                matches=0 if known is None else known.matches,
                spark=draw_spark(days),
                quiet_days=quiet_days(days),
                drifted=any(alarm.rule == rule.id for alarm in report.drift),
            )
        )
    return tuple(views)


def quiet_days(counts: Sequence[int]) -> int:
    """For how many days, today included, nothing matched, if that is unusually long by what the days before show.

    Args:
        counts: Matches of each day, oldest first; today last.
    """
    active = [number for number, count in enumerate(counts) if count]
    if len(active) < 3:
        return 0  # too little to tell what is usual
    pauses = [after - before - 1 for before, after in pairwise(active)]
    silent = len(counts) - 1 - active[-1]
    return silent if silent >= max(QUIET_DAYS, QUIET_FACTOR * max(pauses)) else 0


def _laid_out(sent: SentEvent | None) -> str:
    if sent is None:
        return ""
    return json.dumps(json.loads(sent.stored.event.message), indent=2, ensure_ascii=False)
