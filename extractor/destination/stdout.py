"""Prints events: what would go to Segment, one JSON object a line, for eyes and pipes."""

import errno
import re
import sys
from collections.abc import Sequence
from typing import BinaryIO

from extractor.destination.limits import BatchLimits
from extractor.destination.verdict import DeliveryReason, Verdict, VerdictKind

_UNSAFE_TO_SHOW = re.compile(
    rb"\x7f"  # DEL
    rb"|\xc2[\x80-\x9f]"  # C1 controls: U+009B starts an escape sequence in many terminals
    rb"|\xe2\x80[\x8b-\x8f\xa8-\xae]"  # zero width, line separators, bidirectional overrides
    rb"|\xe2\x81[\xa6-\xa9]"  # bidirectional isolates
)
"""What JSON lets stand raw in a string and a terminal or a reader could be fooled by. C0 is escaped by JSON itself."""


class StdoutDestination:
    r"""One line for each message, flushed with each batch.

    A message is printed as the same JSON value; characters that a terminal could act on are spelled `\uXXXX`.
    A crash between printing and acknowledging prints the batch again.
    """

    name = "stdout"
    limits = BatchLimits(max_event_bytes=1 << 30, max_batch_bytes=1 << 20, max_batch_events=1000)

    def __init__(self, stream: BinaryIO | None = None) -> None:
        """Print to `stream`, by default the standard output of this process."""
        self._stream = stream

    def send(self, messages: Sequence[bytes], within_s: float | None = None) -> Verdict:
        """Print and flush; a stream that takes no more holds, a full disk behind it is tried again."""
        del within_s  # a pipe that blocks is the reader's way to say "later"
        stream = self._stream or sys.stdout.buffer
        try:
            stream.write(b"".join([spell_unsafe(message) + b"\n" for message in messages]))
            stream.flush()
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.EBADF):
                return Verdict(VerdictKind.HOLD, DeliveryReason.OUTPUT_CLOSED)
            return Verdict(VerdictKind.RETRY, DeliveryReason.OUTPUT_FAILED)
        except ValueError:
            # What Python says of a stream that was closed in this process.
            return Verdict(VerdictKind.HOLD, DeliveryReason.OUTPUT_CLOSED)
        return Verdict(VerdictKind.DELIVERED, DeliveryReason.ACCEPTED)

    def abort(self) -> None:
        """Nothing to end: what was printed is printed."""

    def close(self) -> None:
        """Nothing to close: the stream belongs to the process."""


def spell_unsafe(message: bytes) -> bytes:
    r"""The same JSON value, with characters that a terminal could act on spelled `\uXXXX`."""
    return _UNSAFE_TO_SHOW.sub(_escaped, message)


def _escaped(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(match.group().decode())
