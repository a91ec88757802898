"""What the model of following knows: which lines exist, which a look has seen, and which were destroyed."""

import gzip
import os
from dataclasses import dataclass, field
from pathlib import Path

from tests.following import Recorder, unprivileged

LIVE = "app.log"


@dataclass(eq=False)
class Body:
    """The bytes behind one or no path."""

    data: bytes = b""
    held: bool = False  # the follower has a handle on it
    known: bool = False  # the follower has a row by which it can find it again
    hidden: bool = False  # it cannot be opened
    trimmed: bool = False  # its end was cut off, and no look has met that yet
    alias: bool = False  # a copy of a file that lives: not looked into until that is emptied
    copied: bool = False  # a copy, whatever became of its original
    again: bool = False  # what was there before, under another inode
    partly: bool = False  # so far, at least: it may have to wait
    shut: bool = False  # a look has seen it and could not open it
    ended: bool = False  # its unterminated last line was given as it is
    seen: set[bytes] = field(default_factory=set)

    def lines(self) -> list[bytes]:
        """Whole lines and, last, what stands unterminated."""
        return [line for line in self.data.split(b"\n") if line]

    def tail(self) -> bytes:
        """What stands unterminated."""
        return self.data.rpartition(b"\n")[2]


class Files:
    """One log file and its rotated siblings, on disk and in the books."""

    def __init__(self) -> None:
        super().__init__()
        self.user = unprivileged()  # permissions do not stop root
        self.folder = self.user.__enter__()
        (self.folder / "aside").mkdir()
        self.paths: dict[str, Body] = {}
        self.adrift: list[Body] = []  # deleted, held
        self.every: set[bytes] = set()  # all that ever stood as a line
        self.excused: dict[bytes, int] = {}  # destroyed: bytes of it that a look had seen
        self.recorder = Recorder(self.folder)
        self.count = 0
        self.unwatched = False  # something was destroyed that no look had ever met
        self.matched = True
        self.prefix = ""
        self.twice = 0  # may be counted as never opened though other files had it, which nobody can tell

    def at(self, name: str) -> Path:
        return self.folder / name

    def fresh(self) -> bytes:
        self.count += 1
        return f'{self.prefix}{{"id": {self.count:06d}, "filler": "{"x" * (self.count % 50)}"}}'.encode()

    def append(self, name: str, data: bytes) -> None:
        body = self.paths.setdefault(name, Body())
        if body.hidden:
            return  # nor can the writer open it
        self.excused.pop(body.tail(), None)  # it becomes another line
        body.data += data
        self.every |= set(body.lines())
        with self.at(name).open("ab") as file:
            file.write(data)

    def rename(self, old: str, new: str) -> None:
        body = self.paths.pop(old)
        reached = self.reachable(old, body)
        self.paths[new] = body
        self.at(old).rename(self.at(new))
        if not self.reachable(new, body):
            self.destroy(body, body.data)
        elif not reached:
            # Out of reach was not lost: what is cut off it from here on counts by what is known of it by then.
            self.excused = {line: seen for line, seen in self.excused.items() if line not in body.lines()}

    def reachable(self, name: str, body: Body) -> bool:
        """Whether a look can find it: a wanted path, a handle, or a known file beside where it was."""
        if name == LIVE or body.held:
            return True
        if name.endswith(".gz"):
            return body.known and bool(body.seen)
        return not name.startswith("aside") and (self.matched or body.known)

    def make_room(self) -> None:
        for name in ("app.log.2", "app.log.1.gz"):
            if name in self.paths:
                self.remove(name)

    def compress(self) -> None:
        body = self.paths["app.log.1"]
        if body.hidden or body.tail():
            return self.rename("app.log.1", "app.log.2")
        known = body.known and not body.trimmed
        packed = Body(body.data, known=known, copied=body.copied, seen=set(body.seen))
        with gzip.open(self.at("app.log.1.gz"), "wb") as file:
            file.write(body.data)
        self.paths["app.log.1.gz"] = packed
        self.remove("app.log.1")
        return None

    def empty(self, name: str) -> None:
        body = self.paths[name]
        data, body.data = body.data, b""
        self.destroy(body, data)
        body.seen, body.known = set(), False
        os.truncate(self.at(name), 0)

    def remove(self, name: str) -> None:
        body = self.paths.pop(name)
        self.at(name).unlink()
        if body.held and not body.alias:
            self.adrift.append(body)
        else:
            if name != LIVE and set(body.lines()) - body.seen:
                self.unwatched = True  # written to after it was rotated away: no incident for that
            self.destroy(body, body.data)

    def destroy(self, body: Body, data: bytes) -> None:
        """Lines that are gone unless another file has them excuse themselves, with what was seen of them."""
        if body.again and (body.hidden or body.shut) and not body.held:
            self.twice += len(data)
        elsewhere = {
            line
            for name, other in self.paths.items()
            if other is not body and self.reachable(name, other)
            for line in other.lines()
        }
        for line in data.split(b"\n"):
            if line and line not in elsewhere:
                self.unwatched = self.unwatched or not (body.known and body.seen)
                self.excused[line] = max(self.excused.get(line, 0), len(line) if line in body.seen else 0)
