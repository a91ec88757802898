"""The catalogue is complete, well named, and all that the program says about itself."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from extractor import telemetry
from extractor.destination.verdict import DeliveryReason
from extractor.telemetry import LOG_EVENTS, METRICS, Explained, LogEvent, Metric, MetricKind

PACKAGE = Path(telemetry.__file__).parent


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the program but the catalogue itself."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name != "telemetry.py":
            yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8"))


def declared(kind: type) -> dict[str, object]:
    """The constants of the catalogue of one kind, by the name in the code."""
    return {name: value for name, value in vars(telemetry).items() if isinstance(value, kind)}


def test_every_declaration_is_in_the_catalogue_once() -> None:
    """A metric or log event that is declared is listed, and so documented."""
    assert list(declared(Metric).values()) == list(METRICS)
    assert list(declared(LogEvent).values()) == list(LOG_EVENTS)
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert len({event.name for event in LOG_EVENTS}) == len(LOG_EVENTS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_are_as_prometheus_wants_them(metric: Metric) -> None:
    """One prefix, counters end in `_total` and nothing else does, base units only, labels that fit."""
    assert re.fullmatch(r"extractor(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") is (metric.kind is MetricKind.COUNTER)
    assert not re.search(r"_(ms|millis|milliseconds|minutes|hours|kb|mb|kib|mib|percent)(_|$)", metric.name)
    assert all(re.fullmatch(r"[a-z]+", label) for label in metric.labels)
    assert metric.meaning


@pytest.mark.parametrize("kind", [Metric, LogEvent])
def test_every_declaration_is_used(kind: type) -> None:
    """What the page promises is really said somewhere."""
    used = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name)
    }
    assert set(declared(kind)) - used == set()


def test_every_line_of_the_log_has_only_declared_fields() -> None:
    """A field that is not declared would be dropped without a word; each call is looked at."""
    events = declared(LogEvent)
    calls = 0
    for path, tree in sources():
        for node in ast.walk(tree):
            if not (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tell"
            ):
                continue
            calls += 1
            names = [
                n.attr if isinstance(n, ast.Attribute) else n.id
                for n in ast.walk(node.args[0])
                if isinstance(n, ast.Attribute | ast.Name)
            ]
            said = [event for name in names if isinstance(event := events.get(name), LogEvent)]
            assert said, f"{path}:{node.lineno}"
            fields = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
            for event in said:
                assert fields <= set(event.fields), f"{path}:{node.lineno}"
    assert calls > 20


def test_nothing_else_writes_a_log() -> None:
    """No module but `logs` makes a logger, prints, or writes to standard error, outside of the commands."""
    for path, tree in sources():
        if path.startswith("cli/") or path == "logs.py":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"print", "warnings.warn", "structlog.get_logger"}, (
                    f"{path}:{node.lineno}"
                )
                assert not called.startswith(("sys.stderr.", "traceback.print")), f"{path}:{node.lineno}"


@pytest.mark.parametrize("kind", Explained.__subclasses__(), ids=lambda kind: str(kind.__name__))
def test_every_word_is_stable_and_explained(kind: type[Explained]) -> None:
    """Lower case words, each with a meaning, found again by its text."""
    for word in kind:
        assert re.fullmatch(r"[a-z_]+", word.value)
        assert word.meaning
        assert kind(str(word)) is word  # type: ignore[call-arg]


def test_the_reasons_of_delivery_are_bounded_words() -> None:
    """They are labels, too."""
    assert all(re.fullmatch(r"[a-z_]+", reason.value) for reason in DeliveryReason)
