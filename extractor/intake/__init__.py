"""Chunks to outcomes: cut, unwrap, join and evaluate the lines of many files. No clock, no disk.

What it keeps between chunks is what the files themselves have not finished yet: the envelope that was found at the
head of each file, and the pieces of lines that a container runtime cut. None of it needs to survive: a checkpoint
never passes the first piece of an unfinished line.
"""

from extractor.intake.portion import Portion, Taken, origin_of
from extractor.intake.take import Intake
from extractor.intake.wrapping import HEAD_BYTES, Wrapping

__all__ = ["HEAD_BYTES", "Intake", "Portion", "Taken", "Wrapping", "origin_of"]
