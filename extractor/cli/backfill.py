"""`extractor backfill`."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from extractor import wiring
from extractor.cli.bar import build_bar
from extractor.cli.terminal import absolute, age_text, printable, size_text, time_text
from extractor.clock import SystemClock
from extractor.config import load_config
from extractor.store import StoreError
from extractor.whole.backfill import AssumeTime, Backfill, Ended, Step, Survey
from extractor.whole.reader import File

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_EVERY_S = 10.0
"""How often a plain line tells how far a large file is."""


def backfill_command(path: Path, paths: list[str], *, assume: str | None, yes: bool) -> int:
    """Read whole files into the outbox and deliver it."""
    config = load_config(path, os.environ)
    rules = wiring.build_rules(config)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with Backfill(config, rules, os.environ, stop=stop) as backfill:
            if (by := backfill.opted_out_by()) is not None:
                say(f"{by} opts out: nothing is read. Lift it, start `extractor run` once, then backfill")
                return 1
            if backfill.has_lost_opt_out():
                say(
                    "the state was damaged, and with it what an earlier opt-out keeps from being sent: nothing old is read"
                )
                return 1
            return run_backfill(backfill, paths, AssumeTime(assume) if assume else None, yes=yes)
    except StoreError as error:
        say(str(error))
        return 1


def run_backfill(backfill: Backfill, paths: list[str], assume: AssumeTime | None, *, yes: bool) -> int:
    """Look first, unless everything was said already; read; deliver."""
    files = backfill.files(list(map(absolute, paths)))
    if assume is None or not yes:
        with showing("looking", files) as progress:
            survey = backfill.survey(files, progress.step)
        if survey is None:
            return tell_end(Ended.INTERRUPTED)
        if missing := missing_words(survey, assume, yes=yes):
            sys.stderr.writelines(f"extractor: {line}\n" for line in missing)
            return 2
    with showing("reading", files) as progress:
        ended = backfill.fill(files, assume=assume or AssumeTime.MTIME, listen=progress.step)
    waiting = backfill.store.status().outbox_rows
    say(
        f"{progress.events} new events in {len(files) - progress.failed} of {len(files)} files; {waiting} wait"
    )
    if ended is Ended.DONE:
        ended = backfill.deliver()
    return tell_end(ended) or (1 if progress.failed else 0)


def missing_words(survey: Survey, assume: AssumeTime | None, *, yes: bool) -> list[str]:
    """What the operator still has to say; empty if nothing."""
    now = SystemClock().now()
    lines = []
    if survey.timeless:
        lines.append(f"{survey.timeless} of up to {survey.events} events come from lines that carry no time")
    if survey.oldest is not None and survey.is_old(now):
        lines.append(
            f"the oldest of up to {survey.events} events is of {time_text(survey.oldest)}, "
            f"{age_text(now - survey.oldest)} ago"
        )
    options = []
    if survey.timeless and assume is None:
        options.append("--assume-time mtime (their file's last change) or --assume-time now")
    if lines and not yes:
        lines.append(
            "Segment's destinations may refuse events older than 72 h, or put those of unknown time in the wrong place"
        )
        options.append("--yes")
    if not options:
        return []
    return [*lines, f"nothing was read or sent; say {' and '.join(options)} to go on"]


def tell_end(ended: Ended) -> int:
    """Say how it ended, and what is next; the exit code."""
    match ended:
        case Ended.DONE:
            return 0
        case Ended.INTERRUPTED:
            say("interrupted; the same command goes on from here, and `extractor run` delivers what waits")
        case Ended.HELD:
            say("the destination takes nothing now; what was read waits, and `extractor run` delivers it")
        case Ended.OPTED_OUT:
            say("opted out: what waited is gone, nothing more is read")
        case Ended.STORE_UNAVAILABLE:
            say("the disk under state_dir refuses; make room, then run the same command again")
    return 1


def say(text: str) -> None:
    """A line on standard error: standard output belongs to the events."""
    sys.stderr.write(f"extractor: {printable(text)}\n")


class Showing(Protocol):
    """Shows how far reading came, and counts."""

    events: int
    failed: int

    def step(self, step: Step) -> None:
        """One more step."""


@contextmanager
def showing(verb: str, files: list[File]) -> Iterator[Showing]:
    """A bar on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield PlainShowing(verb, len(files))
        return
    total = sum(size_of(file.path) for file in files)
    with build_bar(transient=False) as bar:
        yield BarShowing(verb, bar, bar.add_task(verb, total=total))


class BarShowing:
    """One bar over all files, the present one named."""

    def __init__(self, verb: str, bar: "Progress", task: "TaskID") -> None:
        self.events = 0
        self.failed = 0
        self._verb = verb
        self._bar = bar
        self._task = task
        self._done = 0

    def step(self, step: Step) -> None:
        """Move the bar."""
        self.events += step.events
        if step.error:
            self.failed += 1
            say(f"{step.path}: {step.error}")
        name = printable(Path(step.path).name)
        self._bar.update(self._task, completed=self._done + step.position, description=f"{self._verb} {name}")
        if step.finished:
            self._done += step.size


class PlainShowing:
    """A line a file, and one now and then within a large one."""

    def __init__(self, verb: str, number: int) -> None:
        self.events = 0
        self.failed = 0
        self._verb = verb
        self._number = number
        self._told = monotonic()
        self._file_events = 0

    def step(self, step: Step) -> None:
        """Tell it, if it is worth a line."""
        self.events += step.events
        self._file_events += step.events
        head = f"{self._verb} {step.number}/{self._number} {step.path}"
        if step.error:
            self.failed += 1
            say(f"{head}: {step.error}")
        elif step.finished:
            say(f"{head}: {size_text(step.size)}, {self._file_events} events")
        elif monotonic() - self._told >= PLAIN_EVERY_S:
            say(f"{head}: {size_text(step.position)} of {size_text(step.size)}")
        else:
            return
        self._told = monotonic()
        if step.finished:
            self._file_events = 0


def size_of(path: str) -> int:
    """Bytes on disk; 0 where that cannot be told: the bar only guesses then."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0
