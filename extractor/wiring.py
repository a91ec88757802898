"""From the config to the parts that do the work: rule set, sources, destination, limits. Decides nothing itself."""

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import extractor
from extractor import config as configuration
from extractor import document, rulepacks
from extractor.config import Config, PackChoice
from extractor.decode.envelope import Envelope
from extractor.deliver import DeliveryPace
from extractor.destination.stdout import StdoutDestination
from extractor.evaluation.local import Evaluator, LocalEvaluator
from extractor.evaluation.process import EvaluatorProcess
from extractor.intake import Intake, Wrapping
from extractor.intake.scanning import build_split_scanner
from extractor.logs import tell
from extractor.problems import Problem, ProblemError, did_you_mean
from extractor.ruleset.assemble import Choice, Settings, assemble_rules
from extractor.ruleset.codes import Code
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.load import Pack, load_pack
from extractor.ruleset.plan import build_plan, plan_as_json
from extractor.ruleset.rule import MessageConstants, RuleSet, UnidentifiedUsers
from extractor.source.spec import Limits, SourceSpec, StartAt, Where
from extractor.store import StoreLimits
from extractor.telemetry import EVALUATOR_LOST

if TYPE_CHECKING:
    from extractor.destination.segment import SegmentDestination


def load_packs(config: Config) -> list[Choice]:
    """The rule packs that the config names.

    Raises:
        ProblemError: With the problems of all packs.
    """
    problems: list[Problem] = []
    choices = []
    for chosen in config.rules:
        try:
            pack = load_one_pack(chosen)
        except ProblemError as error:
            problems.extend(error.problems)
        else:
            choices.append(
                Choice(pack=pack, enable=chosen.enable, disable=chosen.disable, place=chosen.place)
            )
    if problems:
        raise ProblemError(problems)
    return choices


def load_one_pack(chosen: PackChoice) -> Pack:
    """One pack, shipped or the operator's own.

    Raises:
        ProblemError: It is not there, or something is wrong with it.
    """
    if chosen.path is not None:
        return load_pack(document.load_file(chosen.path, _shown(chosen.path)))
    try:
        text, file = rulepacks.shipped(chosen.name)
    except KeyError:
        hint = did_you_mean(chosen.name, rulepacks.shipped_names())
        message = f'no rule pack "{chosen.name}" is shipped'
        raise ProblemError([Problem(chosen.place, Code.UNKNOWN_PACK, message, hint)]) from None
    return load_pack(document.load(text, file))


def _shown(path: Path) -> str:
    """The path as a person at the prompt would write it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def build_rules(config: Config) -> RuleSet:
    """The one rule set of a config.

    Raises:
        ProblemError: With everything that is wrong with the packs, or between them and the config.
    """
    return assemble_rules(load_packs(config), build_settings(config))


def build_settings(config: Config) -> Settings:
    """What the config says about messages."""
    return Settings(
        installation=config.installation,
        constants=MessageConstants(
            # The installed distribution's version is the library's own VERSION; importing it would import `requests`.
            library=("analytics-python", version("segment-analytics-python")),
            app=("extractor", extractor.__version__),
            context=config.context,
            integrations=config.integrations,
        ),
        variables=config.variables,
        unidentified_users=UnidentifiedUsers(config.unidentified_users),
        drop_properties=config.drop_properties,
        only=config.organizations.only,
        never=config.organizations.never,
        variables_place=config.place("variables"),
    )


def build_sources(config: Config) -> tuple[SourceSpec, ...]:
    """What to follow."""
    return tuple(
        SourceSpec(
            index=index,
            paths=source.paths,
            exclude=source.exclude,
            start_at=StartAt(source.start_at),
            where=Where(
                namespaces=source.where.namespace, pods=source.where.pod, containers=source.where.container
            ),
        )
        for index, source in enumerate(config.sources)
    )


def build_wrappings(config: Config, *, any_file: bool = False) -> tuple[Wrapping, ...]:
    """How the lines of each source are wrapped.

    Args:
        config: Has the sources.
        any_file: A last one is added, for files that no source of the config would have found.
    """
    wrappings = tuple(
        Wrapping(
            envelope=Envelope(source.envelope),
            stream=source.where.stream,
            tags=source.where.tag,
            labels=source.where.labels,
        )
        for source in config.sources
    )
    return (*wrappings, Wrapping()) if any_file else wrappings


def build_intake(
    config: Config,
    rules: RuleSet,
    *,
    any_file: bool = False,
    build_evaluator: Callable[[ReadyRules], Evaluator] = LocalEvaluator,
) -> Intake:
    """What turns chunks into outcomes.

    Args:
        config: Its sources say how their lines are wrapped.
        rules: Of the same config.
        any_file: See `build_wrappings`.
        build_evaluator: See `Intake`.
    """
    return Intake(
        rules,
        build_wrappings(config, any_file=any_file),
        max_line_bytes=config.max_line_bytes,
        build_scanner=build_split_scanner,
        build_evaluator=build_evaluator,
    )


def build_evaluator(rules: ReadyRules) -> Evaluator:
    """What evaluates lines as fast as this machine can: on a second core, where this process may use one."""
    if len(os.sched_getaffinity(0)) == 1 or not sys.executable:
        return LocalEvaluator(rules)
    return EvaluatorProcess(rules, tell_loss=lambda problem: tell(EVALUATOR_LOST, problem=problem))


def build_limits(config: Config) -> Limits:
    """Bounds of following."""
    return Limits(max_line_bytes=config.max_line_bytes, forget_after_s=config.forget_files_s)


def build_store_limits(config: Config) -> StoreLimits:
    """Caps and retention of the store."""
    return StoreLimits(
        outbox_rows=config.outbox.max_events,
        outbox_bytes=config.outbox.max_bytes,
        sent_s=config.sent_s,
        ledger_s=config.ledger_s,
        gone_files_s=config.forget_files_s,
    )


def build_pace(config: Config) -> DeliveryPace:
    """How fast to send."""
    if isinstance(config.destination, configuration.Stdout):
        return DeliveryPace(requests_per_second=1e6)
    return DeliveryPace(requests_per_second=config.destination.requests_per_second)


def build_destination(
    config: Config, allowed: Callable[[], bool], rules: RuleSet | None = None
) -> "StdoutDestination | SegmentDestination":
    """Where events go.

    Args:
        config: The config.
        allowed: Whether anything may leave; asked again when a connection stands.
        rules: What the second gate holds every request against; None only where nothing will be sent.
    """
    chosen = config.destination
    if isinstance(chosen, configuration.Stdout):
        return StdoutDestination()
    # `requests` takes 60 ms to import, and most commands send nothing.
    from extractor.destination.gate import PlanGate  # noqa: PLC0415
    from extractor.destination.segment import SegmentDestination  # noqa: PLC0415

    return SegmentDestination(
        chosen.host,
        chosen.write_key,
        timeout_s=chosen.timeout_s,
        compress=chosen.gzip,
        max_batch_events=chosen.max_batch_events,
        max_batch_bytes=chosen.max_batch_bytes,
        ca_bundle=None if chosen.ca_bundle is None else str(chosen.ca_bundle),
        gate=None if rules is None else PlanGate(plan_as_json(build_plan(rules))),
        allowed=allowed if rules is not None else lambda: False,
    )


def destination_name(config: Config) -> str:
    """The destination's name in the ledger; for commands that send nothing."""
    return build_destination(config, lambda: False).name
