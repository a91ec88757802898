"""A bar for commands that read files and then print: on a terminal alone, and gone when they are done."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from extractor.cli.terminal import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def build_bar(*, transient: bool) -> "Progress":
    """A bar on standard error, with bytes, their rate and the time left.

    Args:
        transient: It is gone when it is done.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=transient)


@contextmanager
def reading_bar(*, wanted: bool = True) -> Iterator[Callable[[str, int, int], None]]:
    """Shows a file, and how many of its bytes were read at which rate; nothing where standard error is no terminal.

    Args:
        wanted: Whether the command leaves the terminal to it.
    """
    if not wanted or not sys.stderr.isatty():
        yield lambda _path, _position, _size: None
        return
    with build_bar(transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(path: str, position: int, size: int) -> None:
            if path not in tasks:
                for done in tasks.values():
                    bar.update(done, visible=False)
                tasks[path] = bar.add_task(f"reading {printable(Path(path).name)}")
            bar.update(tasks[path], total=size, completed=position)

        yield show
