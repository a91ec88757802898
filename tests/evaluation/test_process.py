"""Another process evaluates: the same answers in the same order, whatever becomes of it, and no process for a few lines."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractor.decode.assemble import Logical
from extractor.evaluation import process as process_module
from extractor.evaluation.carried import dump_evaluated, dump_lines, load_evaluated, load_lines
from extractor.evaluation.frames import PIPE_BYTES
from extractor.evaluation.local import Evaluated, evaluate_all
from extractor.evaluation.process import AHEAD, BACKLOG, LARGE, REST_S, EvaluatorProcess
from extractor.ruleset.event import Event
from extractor.ruleset.examples import PlainMemory
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.outcome import Rejection, resolve
from tests.packs import ORIGIN, assemble, shipped_pack
from tests.running import ROOT, children_of, has_ended, wait_until

SAMPLES = (*Path("tests/data").glob("lago-*/*.log"), *(ROOT / "examples" / "lago").glob("*.log"))


@pytest.fixture(scope="module")
def rules() -> ReadyRules:
    """The shipped pack."""
    return ReadyRules(assemble(shipped_pack()))


@pytest.fixture(scope="module")
def lines() -> list[Logical]:
    """All lines of the samples, often enough for many portions."""
    found = [line for path in SAMPLES for line in path.read_bytes().splitlines()]
    assert len(found) > 1000
    while len(found) < 3 * BACKLOG:
        found += found
    return [Logical(text, None, "", (), "f", number, number + len(text)) for number, text in enumerate(found)]


class Told:
    """Hears of losses; has a clock that stands still."""

    def __init__(self) -> None:
        self.losses: list[str] = []
        self.now = 0.0

    def build(self, rules: ReadyRules) -> EvaluatorProcess:
        """What is tested."""
        return EvaluatorProcess(rules, tell_loss=self.losses.append, monotonic=lambda: self.now)


def met(evaluated: Evaluated) -> tuple[list[list[Event | Rejection]], list[object], Counter[object]]:
    """What lines showed, in a form that can be compared: drafts know the rules of their own process."""
    memory = PlainMemory()
    events = [list(resolve(outcome, memory)) for outcome in evaluated.outcomes]
    rest = [(one.rejections, one.memory, one.matched, one.reason) for one in evaluated.outcomes]
    return events, list(rest), Counter(evaluated.counts)


def children() -> set[int]:
    """Processes that this one has started and not reaped."""
    return children_of(os.getpid())


@pytest.fixture
def started(rules: ReadyRules, lines: list[Logical]) -> Iterator[tuple[EvaluatorProcess, Told, int]]:
    """An evaluator whose process stands ready, and the process."""
    told = Told()
    before = children()
    evaluator = told.build(rules)
    evaluator.begin(lines[:BACKLOG], ORIGIN)
    (pid,) = children() - before
    wait_until(lambda: _stands_ready(evaluator, lines), "the process to have its rules")
    yield evaluator, told, pid
    evaluator.close()
    assert not children() - before


def _stands_ready(evaluator: EvaluatorProcess, lines: list[Logical]) -> bool:
    evaluation = evaluator.begin(lines[:LARGE], ORIGIN)
    given_away = bool(evaluator._under_way)
    evaluation()
    return given_away


def test_what_comes_back_is_what_evaluating_here_gives(
    started: tuple[EvaluatorProcess, Told, int], rules: ReadyRules, lines: list[Logical]
) -> None:
    """Every line of the samples: the same events with the same ids, the same rejections, memory and reasons."""
    evaluator, told, _ = started
    for at in range(0, len(lines), 500):
        portion = lines[at : at + 500]
        evaluation = evaluator.begin(portion, ORIGIN)
        assert evaluator._under_way, "not given away"
        assert met(evaluation()) == met(evaluate_all(portion, ORIGIN, rules))
    assert told.losses == []


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(1, 700), st.sampled_from(["ask", "keep", "forget", "kill"])), max_size=12)
)
def test_answers_come_in_order_whatever_is_asked_and_whenever_it_dies(
    rules: ReadyRules, lines: list[Logical], steps: list[tuple[int, str]]
) -> None:
    """Asked at once, later or never, and with a process that was killed: no line is left out, none counts twice."""
    told = Told()
    before = children()
    evaluator = told.build(rules)
    evaluator.begin(lines[:BACKLOG], ORIGIN)
    (pid,) = children() - before
    kept: list[tuple[list[Logical], Callable[[], Evaluated]]] = []
    for number, (size, how) in enumerate(steps):
        portion = lines[number * 700 : number * 700 + size]
        evaluation = evaluator.begin(portion, ORIGIN)
        if how != "forget":
            kept.append((portion, evaluation))
        if how == "ask":
            while kept:
                portion, evaluation = kept.pop(0)
                assert met(evaluation()) == met(evaluate_all(portion, ORIGIN, rules))
        elif how == "kill" and pid in children():
            os.kill(pid, signal.SIGKILL)
    for portion, evaluation in kept:
        assert met(evaluation()) == met(evaluate_all(portion, ORIGIN, rules))
    evaluator.close()
    assert not children() - before
    assert len(told.losses) <= 1


def test_a_process_that_was_killed_takes_nothing_with_it(
    started: tuple[EvaluatorProcess, Told, int], rules: ReadyRules, lines: list[Logical]
) -> None:
    """Its lines are evaluated here, the loss is told once with its status, and no other process is started."""
    evaluator, told, pid = started
    os.kill(pid, signal.SIGSTOP)
    evaluations = [evaluator.begin(lines[:500], ORIGIN) for _ in range(AHEAD)]
    assert len(evaluator._under_way) > 1
    os.kill(pid, signal.SIGKILL)
    for evaluation in evaluations:
        assert met(evaluation()) == met(evaluate_all(lines[:500], ORIGIN, rules))
    assert told.losses == ["it ended with status -9"]
    evaluator.begin(lines, ORIGIN)
    evaluator.begin(lines, ORIGIN)
    assert pid not in children()
    assert len(told.losses) == 1


def test_a_process_that_does_not_answer_is_not_waited_for_for_ever(
    started: tuple[EvaluatorProcess, Told, int],
    rules: ReadyRules,
    lines: list[Logical],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped, swapped out, whatever it is: its lines are evaluated here, and it is ended."""
    evaluator, told, pid = started
    monkeypatch.setattr(process_module, "PATIENCE_S", 0.05)
    os.kill(pid, signal.SIGSTOP)
    evaluation = evaluator.begin(lines[:500], ORIGIN)
    assert met(evaluation()) == met(evaluate_all(lines[:500], ORIGIN, rules))
    assert told.losses == ["it did not answer"]


def test_no_more_goes_ahead_than_a_pipe_holds(
    started: tuple[EvaluatorProcess, Told, int], lines: list[Logical]
) -> None:
    """Lines of a megabyte each: what waits for the process is bounded in bytes, not only in portions."""
    evaluator, _, pid = started
    os.kill(pid, signal.SIGSTOP)
    texts = [bytes([number]) * PIPE_BYTES for number in range(LARGE)]
    long = [Logical(text, None, "", (), "f", 0, PIPE_BYTES) for text in texts]
    for _ in range(AHEAD):
        evaluator.begin(long, ORIGIN)
    assert len(evaluator._under_way) == 1
    os.kill(pid, signal.SIGCONT)


def test_where_no_process_can_be_had_all_is_evaluated_here(
    monkeypatch: pytest.MonkeyPatch, rules: ReadyRules, lines: list[Logical]
) -> None:
    """A system that allows no more processes costs speed, and says so."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    told = Told()
    evaluator = told.build(rules)
    assert met(evaluator.begin(lines, ORIGIN)()) == met(evaluate_all(lines, ORIGIN, rules))
    assert told.losses == ["No such file or directory"]


def test_a_few_lines_start_no_process(rules: ReadyRules, lines: list[Logical]) -> None:
    """A live log costs one process, however long it goes on: after each step nothing is left to read."""
    told, before = Told(), children()
    evaluator = told.build(rules)
    for at in range(0, len(lines), 500):
        evaluator.begin(lines[at : at + 500], ORIGIN)
        evaluator.rest()
    assert children() == before


def test_the_process_goes_when_there_is_no_work_and_comes_back(
    started: tuple[EvaluatorProcess, Told, int], lines: list[Logical]
) -> None:
    """Its memory is not held for a backlog that is over; the next backlog is met as the first one was."""
    evaluator, told, pid = started
    told.now += REST_S - 1
    evaluator.rest()
    assert pid in children()
    told.now += 1
    evaluator.rest()
    assert pid not in children()
    before = children()
    evaluator.begin(lines[:BACKLOG], ORIGIN)
    assert len(children() - before) == 1
    assert told.losses == []


def test_what_was_begun_before_a_rest_is_not_waited_for_after_it(
    started: tuple[EvaluatorProcess, Told, int], rules: ReadyRules, lines: list[Logical]
) -> None:
    """An answer that no process will give any more is worked out here."""
    evaluator, told, _ = started
    evaluation = evaluator.begin(lines[:500], ORIGIN)
    told.now += REST_S
    evaluator.rest()
    evaluator.begin(lines[:BACKLOG], ORIGIN)
    assert met(evaluation()) == met(evaluate_all(lines[:500], ORIGIN, rules))


def test_the_process_ends_with_the_one_that_started_it() -> None:
    """Also when that was killed: nobody is left behind who holds memory."""
    script = f"""
import sys, time
from extractor.evaluation.process import EvaluatorProcess
from extractor.decode.assemble import Logical
from extractor.ruleset.index import ReadyRules
from tests.packs import ORIGIN, assemble, shipped_pack
evaluator = EvaluatorProcess(ReadyRules(assemble(shipped_pack())), tell_loss=print)
evaluator.begin([Logical(b"{{}}", None, "", (), "f", 0, 2)] * {BACKLOG}, ORIGIN)
print(evaluator._channel._process.pid, flush=True)
time.sleep(600)
"""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environ, cwd=ROOT)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert Path(f"/proc/{pid}").exists()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: has_ended(pid), "the process to end")


def test_being_told_to_end_is_not_for_the_process(started: tuple[EvaluatorProcess, Told, int]) -> None:
    """Ctrl-C and systemd signal every process of the group: what was begun is still answered."""
    evaluator, told, pid = started
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    assert (
        evaluator.begin([Logical(b"{}", None, "", (), "f", 0, 2)] * LARGE, ORIGIN)().counts.total() == LARGE
    )
    assert told.losses == []


def test_lines_and_what_they_showed_survive_the_way(rules: ReadyRules, lines: list[Logical]) -> None:
    """What is written is read as it was, envelopes and odd paths included."""
    odd = Logical(b"\xff\x00{", 1.5, "stderr", (("tag", "a\nb"),), "f", 7, 10, 3)
    assert load_lines(dump_lines([odd], ORIGIN)) == ([odd], ORIGIN)
    evaluated = evaluate_all(lines[:1000], ORIGIN, rules)
    assert met(load_evaluated(dump_evaluated(evaluated), rules)) == met(evaluated)
