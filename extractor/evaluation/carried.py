"""Lines and what they showed as bytes, for two processes of one program. Pickles: no other program may write these."""

import io
import pickle
from collections.abc import Sequence
from typing import Any

from extractor.decode.assemble import Logical
from extractor.evaluation.local import Evaluated
from extractor.ruleset.draft import DraftFrame
from extractor.ruleset.evaluate import Origin
from extractor.ruleset.index import ReadyRules


def dump_lines(lines: Sequence[Logical], origin: Origin) -> bytes:
    """Lines of one origin."""
    # Plain tuples: a class costs more to write and to read than what is in it.
    return pickle.dumps((list(map(tuple, lines)), (origin.path, origin.time, origin.time_source)), protocol=5)


def load_lines(raw: bytes) -> tuple[list[Logical], Origin]:
    """What `dump_lines` wrote."""
    lines, (path, time, time_source) = pickle.loads(raw)  # noqa: S301 - our own process wrote it
    return list(map(Logical._make, lines)), Origin(path=path, time=time, time_source=time_source)


def dump_evaluated(evaluated: Evaluated) -> bytes:
    """What lines showed; a rule's frame goes by its number, since the other process has the same rules."""
    raw = io.BytesIO()
    _Writer(raw, protocol=5).dump(evaluated)
    return raw.getvalue()


def load_evaluated(raw: bytes, rules: ReadyRules) -> Evaluated:
    """What `dump_evaluated` wrote, under the same rules."""
    evaluated: Evaluated = _Reader(io.BytesIO(raw), rules).load()
    return evaluated


def _frame(number: int) -> DraftFrame:
    """Stands in the bytes where the reader puts its own rule's frame."""
    raise NotImplementedError(number)


class _Writer(pickle.Pickler):
    def reducer_override(self, value: object) -> Any:
        if type(value) is DraftFrame:
            return _frame, (value.number,)
        return NotImplemented


class _Reader(pickle.Unpickler):
    def __init__(self, raw: io.BytesIO, rules: ReadyRules) -> None:
        super().__init__(raw)
        self._rules = rules

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (_frame.__module__, _frame.__name__):
            return self._rules.frame
        return super().find_class(module, name)
