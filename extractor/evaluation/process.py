"""Gives lines to another process while they are many, and evaluates them here while they are few."""

import os
import pickle
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from extractor.decode.assemble import Logical
from extractor.evaluation.carried import dump_lines, load_evaluated
from extractor.evaluation.frames import Channel, GoneError
from extractor.evaluation.local import Evaluated, Evaluation, LocalEvaluator
from extractor.ruleset.evaluate import Origin
from extractor.ruleset.index import ReadyRules

LARGE = 50
"""Lines of a portion that is worth giving away: some 2 ms of work. Lines of a live log come a few at a time."""

BACKLOG = 1000
"""Lines without a rest from which more are expected: some 50 ms of work, and a process takes five times that to start."""

AHEAD = 8
"""Portions that are under way at once: so many that the process has work while the caller records some 2,000 outcomes."""

PATIENCE_S = 30.0
"""Without a byte from a process that has work it counts as lost: a portion takes some 10 ms, on any machine."""

REST_S = 10.0
"""For how long the process is kept without work."""


@dataclass(eq=False, slots=True)
class _Portion:
    """Lines that were given away; kept until they are answered for.

    Attributes:
        lines: The lines.
        origin: Theirs.
        answer: What came back, as bytes.
    """

    lines: Sequence[Logical] = field(repr=False)
    origin: Origin
    answer: bytes | None = field(default=None, repr=False)


class EvaluatorProcess:
    """Starts the process with the first backlog, ends it when there was none for a while. One thread."""

    def __init__(
        self,
        rules: ReadyRules,
        *,
        tell_loss: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make one; nothing is started yet.

        Args:
            rules: What lines are evaluated against.
            tell_loss: Told why, once, where the process cannot be had or has ended by itself.
            monotonic: Seconds that only go forward.
        """
        self._rules = rules
        self._local = LocalEvaluator(rules)
        self._tell_loss = tell_loss
        self._monotonic = monotonic
        self._channel: Channel | None = None
        self._started = False  # it has its rules, and answered
        self._lost = False
        self._backlog = 0
        self._under_way: deque[_Portion] = deque()
        self._used_at = 0.0

    @property
    def ahead(self) -> int:
        """See `Evaluator`."""
        return AHEAD if self._started else 0

    def begin(self, lines: Sequence[Logical], origin: Origin) -> Evaluation:
        """See `Evaluator`. What is not given away is evaluated before this returns."""
        self._backlog += len(lines)
        if len(lines) >= LARGE and self._has_room():
            return self._give(lines, origin)
        return self._local.begin(lines, origin)

    def rest(self) -> None:
        """See `Evaluator`."""
        self._backlog = 0
        if self._channel is not None and self._monotonic() - self._used_at >= REST_S:
            self.close()

    def close(self) -> None:
        """See `Evaluator`."""
        if self._channel is not None:
            self._channel.close()
        self._forget()

    def _has_room(self) -> bool:
        """Whether the process stands ready for a portion; it is started where that is worth it."""
        if self._channel is None:
            if not self._lost and self._backlog >= BACKLOG:
                self._start()
            return False
        self._receive(0.0)
        # What is owed waits in memory: no more than a pipe holds goes ahead, however long the lines are.
        return self._started and len(self._under_way) < AHEAD and not self._channel.owes

    def _start(self) -> None:
        # Modules come from where ours came from, and never (-P) from whatever lies in the folder that we were started in.
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        try:
            self._channel = Channel([sys.executable, "-P", "-m", "extractor.evaluation"], environ)
            self._used_at = self._monotonic()
            self._channel.send(pickle.dumps(self._rules.rules))
        except OSError as error:
            self._lose(error.strerror or type(error).__name__)
        except GoneError:
            self._lose("")

    def _give(self, lines: Sequence[Logical], origin: Origin) -> Evaluation:
        portion = _Portion(lines, origin)
        self._under_way.append(portion)
        self._used_at = self._monotonic()
        assert self._channel is not None
        try:
            self._channel.send(dump_lines(lines, origin))
        except GoneError:
            self._lose("")
        return partial(self._answer, portion)

    def _answer(self, portion: _Portion) -> Evaluated:
        while portion.answer is None and portion in self._under_way:
            self._receive(PATIENCE_S)
        if portion.answer is None:
            return self._local.begin(portion.lines, portion.origin)()
        return load_evaluated(portion.answer, self._rules)

    def _receive(self, wait_s: float) -> None:
        """Take the answers that are there; at least one, if it is to be waited for."""
        assert self._channel is not None
        try:
            answer = self._channel.receive(wait_s)
            if answer is None and wait_s:
                self._lose("it did not answer")
            while answer is not None:
                if self._started:
                    self._under_way.popleft().answer = answer
                self._started = True
                answer = self._channel.receive(0.0)
        except GoneError:
            self._lose("")

    def _lose(self, problem: str) -> None:
        """Go on without; a second one might end as the first did."""
        if self._channel is not None:
            status = self._channel.close()
            problem = problem or f"it ended with status {status}"
        self._forget()
        self._lost = True
        self._tell_loss(problem)

    def _forget(self) -> None:
        self._channel = None
        self._started = False
        self._under_way.clear()
        self._backlog = 0
