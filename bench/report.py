"""Tables in markdown, and where they stand in docs/performance.md."""

import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.corpus import ROOT
from bench.program import describe_machine

PAGE = ROOT / "docs" / "performance.md"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table; all columns but the first to the right."""
    lines = [
        " | ".join(head),
        " | ".join(["---", *(["---:"] * (len(head) - 1))]),
        *(" | ".join(row) for row in rows),
    ]
    return "\n".join(f"| {line} |" for line in lines)


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of them does not exceed."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def megabytes(value: float) -> str:
    """Bytes as MB."""
    return f"{value / 1e6:.0f} MB"


def conclude(name: str, text: str, *, folder: Path, write: bool) -> None:
    """Print what was measured, with the machine and the command; put it into the page if asked.

    Raises:
        SystemExit: The page has no place of this name.
    """
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    arguments = [a for a in sys.argv[1:] if a != "--write"]
    command = " ".join(["python", "-m", f"bench.{name}", *arguments])
    made = (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, commit {commit or 'unknown'}, {describe_machine(folder)}"
    )
    body = f"{text}\n\n{made}"
    print(body)
    if write:
        put(name, body)


def put(name: str, body: str) -> None:
    """Replace what stands between the markers of that name in the page."""
    begin, end = f"<!-- measured: {name} -->\n", "<!-- end -->"
    page = PAGE.read_text(encoding="utf-8")
    before, found, rest = page.partition(begin)
    if not found:
        raise SystemExit(f"{PAGE} has no {begin.strip()}")
    PAGE.write_text(f"{before}{begin}{body}\n{end}{rest.partition(end)[2]}", encoding="utf-8")
