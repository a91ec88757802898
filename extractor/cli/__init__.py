"""The commands: one file each, no logic that a test could want. Each imports what it needs when it is called."""

from extractor.cli.app import main

__all__ = ["main"]
