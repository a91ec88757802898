"""The process that evaluates: `python -m extractor.evaluation`, started by `EvaluatorProcess` and by nobody else.

It reads frames from its input (the rules, then lines) and writes a frame for each to its output. It opens no file, and
ends when its input does: also when the process that started it was killed.
"""

import pickle
import sys
from typing import BinaryIO

from extractor.evaluation.carried import dump_evaluated, load_lines
from extractor.evaluation.frames import HEAD, head_of
from extractor.evaluation.local import evaluate_all
from extractor.ruleset.index import ReadyRules


def main() -> None:
    """Evaluate until the input ends."""
    lines, answers = sys.stdin.buffer, sys.stdout.buffer
    first = _read(lines)
    if first is None:
        return
    rules = ReadyRules(pickle.loads(first))  # noqa: S301 - the process that started us wrote it
    _write(answers, b"")
    while (frame := _read(lines)) is not None:
        _write(answers, dump_evaluated(evaluate_all(*load_lines(frame), rules)))


def _read(stream: BinaryIO) -> bytes | None:
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    (size,) = HEAD.unpack(head)
    frame = stream.read(size)
    return frame if len(frame) == size else None


def _write(stream: BinaryIO, frame: bytes) -> None:
    stream.write(head_of(frame))
    stream.write(frame)
    stream.flush()


if __name__ == "__main__":
    main()
