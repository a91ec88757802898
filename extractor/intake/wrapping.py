"""What the lines of a source are wrapped in, and which of them it wants."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from extractor.decode.assemble import Logical
from extractor.decode.envelope import Envelope, Piece

HEAD_BYTES = 64 * 1024
"""How much of a file's first chunk is looked at to tell its envelope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapping:
    """How the lines of a source are wrapped, and which of them it wants by what their envelope tells.

    Attributes:
        envelope: See `Envelope`; `auto` is found out for each file.
        stream: `stdout` or `stderr`; "" for both.
        tags: Globs for Docker's `tag` attribute; empty for any.
        labels: Docker's labels and the globs for each; empty for any.
    """

    envelope: Envelope = Envelope.AUTO
    stream: str = ""
    tags: tuple[str, ...] = ()
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def wants(self, line: Logical | Piece) -> bool:
        """Whether a line is one of the source's."""
        if self.stream and line.stream != self.stream:
            return False
        if not self.tags and not self.labels:
            return True
        told: Mapping[str, str] = dict(line.attributes)
        wanted = ((("tag", self.tags),) if self.tags else ()) + self.labels
        return all(any(fnmatchcase(told.get(name, ""), glob) for glob in globs) for name, globs in wanted)
