"""Lines that a rotation cuts, joined."""

from dataclasses import dataclass, field

from extractor.decode.assemble import Assembler


@dataclass(slots=True)
class Lineage:
    """A log with the files it was rotated to: lines that are cut by a rotation are joined here.

    Attributes:
        assembler: Of its unfinished lines.
        waiting: Files that were read further than their checkpoint may go, and how far.
    """

    assembler: Assembler
    waiting: dict[str, int] = field(default_factory=dict)

    def settle(self, file_id: str, end: int) -> dict[str, int]:
        """Note that a file was read to `end`; which checkpoints may now become what."""
        pending = self.assembler.pending
        reached = {**self.waiting, file_id: end}
        self.waiting = {waiting: to for waiting, to in reached.items() if waiting in pending}
        return {waiting: pending.get(waiting, to) for waiting, to in reached.items()}
