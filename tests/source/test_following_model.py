"""Following against a small model: any history of writing, rotating, truncating, deleting, restoring and crashing.

The model knows which lines exist, which a look has seen, and which were destroyed while only the disk had them.
What is promised then:

- nothing is invented and nothing is given twice;
- a line that was not destroyed before it could be read comes;
- the bytes counted as lost are at least those that a look had seen of the lines that did not come, and at most
  all bytes that did not come;
- where anything did not come, an incident says so.
"""

import os
import shutil

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from extractor.telemetry import IncidentKind
from tests.following import SMALL, Recorder, RunningClock
from tests.source.model_of_files import LIVE, Body, Files

CUTTABLE = 12
"""Lines that may be cut off without any being read again, as the documentation says."""
LOSSES = {IncidentKind.LOST, IncidentKind.TRUNCATED, IncidentKind.VANISHED, IncidentKind.UNOPENED}


class Following(Files, RuleBasedStateMachine):
    """One log file, its rotated siblings, and a follower that may be killed."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: bytes | None = None
        self.cuttable = CUTTABLE

    @initialize(matched=st.booleans(), prefix=st.sampled_from([0, 0, 60, 300]))
    def start(self, *, matched: bool, prefix: int = 0) -> None:
        """The rotated siblings match the pattern, or do not; lines begin alike for so many bytes, as those of apps do."""
        self.matched = matched
        self.prefix = "p" * prefix
        self.recorder = Recorder(self.folder, ("app.log*",) if matched else (LIVE,), clock=RunningClock())

    def teardown(self) -> None:
        """After the last action all that can be found is read, and the books must balance."""
        try:
            self.settle()
        finally:
            self.recorder.crash()
            self.user.__exit__(None, None, None)

    # -- the writer ---------------------------------------------------------------------------------------------

    @rule(lines=st.integers(1, 30), name=st.sampled_from([LIVE, LIVE, LIVE, "app.log.1"]))
    def write(self, lines: int, name: str) -> None:
        """Append whole lines; to the rotated file too, as a logger does that was not told yet."""
        if name == LIVE or (name in self.paths and not self.paths[name].ended):
            self.append(name, b"".join(self.fresh() + b"\n" for _ in range(lines)))

    @rule()
    def write_half(self) -> None:
        """Append without a newline, but no more than a line may have."""
        if LIVE not in self.paths or len(self.paths[LIVE].tail()) < SMALL.max_line_bytes // 2:
            self.append(LIVE, self.fresh())

    @precondition(lambda self: LIVE in self.paths and not self.paths[LIVE].hidden)
    @rule(lines=st.integers(1, 3))
    def cut(self, lines: int) -> None:
        """Take the last lines away; in all no more than are promised to be told from a rewrite, however often."""
        lines = min(lines, self.cuttable)
        if not lines:
            return
        self.cuttable -= lines
        body = self.paths[LIVE]
        kept = body.data.splitlines(keepends=True)[:-lines]
        gone = b"".join(body.data.splitlines(keepends=True)[-lines:])
        cut = set(gone.split(b"\n")) - {b""}
        self.unwatched = self.unwatched or bool(cut - body.seen)  # came and went without a trace
        body.seen &= set(
            b"".join(kept).split(b"\n")
        )  # should other lines come there before the next look, nobody can say how many went
        body.known, body.trimmed = body.known and bool(body.seen), True
        self.destroy(body, gone)
        body.data, body.partly = b"".join(kept), body.again
        os.truncate(self.at(LIVE), len(body.data))

    # -- rotation -----------------------------------------------------------------------------------------------

    @precondition(lambda self: LIVE in self.paths)
    @rule(compress=st.booleans())
    def rotate(self, *, compress: bool) -> None:
        """Rename the cascade; compress the one that is next to go."""
        self.make_room()
        if compress and "app.log.1" in self.paths:
            self.compress()
        elif "app.log.1" in self.paths:
            self.rename("app.log.1", "app.log.2")
        self.rename(LIVE, "app.log.1")

    @precondition(lambda self: LIVE in self.paths and not self.paths[LIVE].hidden)
    @rule(looks=st.booleans(), writes=st.booleans(), crashes=st.booleans(), refills=st.integers(0, 40))
    def copytruncate(self, *, looks: bool, writes: bool, crashes: bool, refills: int) -> None:
        """Copy and empty, with or without anything in between."""
        self.make_room()
        if "app.log.1" in self.paths:
            self.rename("app.log.1", "app.log.2")
        body = self.paths[LIVE]
        copy = Body(body.data, alias=True, copied=True)
        shutil.copy(self.at(LIVE), self.at("app.log.1"))
        known = {row.inode for row in self.recorder.rows.values()}
        if body.again and self.at("app.log.1").stat().st_ino in known:
            self.twice += 2 * len(body.data)  # with its inode and its bytes, it is what was in its place
        self.paths["app.log.1"] = copy
        if looks:
            self.look()
        if crashes:
            self.crash()
        if writes:
            self.write(2, LIVE)
        # By what was seen of the original the copy can be found, even where no pattern matches it.
        copy.known = body.known and bool(body.seen) and not body.trimmed
        copy.alias, copy.seen = False, set(body.seen)
        self.empty(LIVE)
        if refills:
            self.write(refills, LIVE)

    @precondition(lambda self: LIVE in self.paths and not self.paths[LIVE].hidden)
    @rule(refills=st.integers(0, 40))
    def truncate(self, refills: int) -> None:
        """Empty the file; it may have grown past its old size before anybody looks."""
        self.empty(LIVE)
        if refills:
            self.write(refills, LIVE)

    @rule(name=st.sampled_from([LIVE, "app.log.1", "app.log.2", "app.log.1.gz"]))
    def delete(self, name: str) -> None:
        """Unlink."""
        if name in self.paths:
            self.remove(name)

    @precondition(
        lambda self: LIVE in self.paths and not self.paths[LIVE].tail() and not self.paths[LIVE].hidden
    )
    @rule()
    def take_away(self) -> None:
        """Delete the file, with a copy in safety."""
        self.saved = self.paths[LIVE].data
        self.twice += len(self.saved) if self.paths[LIVE].shut else 0
        self.remove(LIVE)

    @precondition(lambda self: self.saved and LIVE not in self.paths)
    @rule()
    def restore(self) -> None:
        """The copy comes back, as another file on disk."""
        assert self.saved is not None
        spare = self.folder / "spare"
        spare.write_bytes(self.saved)
        spare.rename(self.at(LIVE))
        self.paths[LIVE] = Body(self.saved, again=True)
        for line in self.paths[LIVE].lines():
            self.excused.pop(line, None)
        self.saved = None

    @precondition(
        lambda self: LIVE in self.paths and not self.paths[LIVE].tail() and not self.paths[LIVE].hidden
    )
    @rule(lines=st.integers(0, 3))
    def edit(self, lines: int) -> None:
        """As an editor saves: another file with the same lines, and perhaps more, is put in its place."""
        old = self.paths[LIVE]
        spare = self.folder / "spare"
        spare.write_bytes(old.data)
        spare.rename(self.at(LIVE))
        # By what was seen of the old one it may be found, but what it has besides was met by no look yet.
        self.paths[LIVE] = Body(
            old.data, trimmed=old.trimmed, again=True, partly=old.trimmed, seen=set(old.seen)
        )
        self.twice += len(old.data) if old.shut else 0
        if old.held:
            self.adrift.append(old)
        if lines:
            self.write(lines, LIVE)

    @precondition(lambda self: LIVE in self.paths)
    @rule(at=st.sampled_from([0, 1_500_000_000, 4_000_000_000]))
    def touch(self, at: int) -> None:
        """Its modification time is set, far back or ahead."""
        os.utime(self.at(LIVE), (at, at))

    @precondition(lambda self: LIVE in self.paths and "aside/app.log" not in self.paths)
    @rule()
    def move_aside(self) -> None:
        """Into another folder."""
        self.rename(LIVE, "aside/app.log")

    @precondition(lambda self: LIVE not in self.paths and "aside/app.log" in self.paths)
    @rule()
    def move_back(self) -> None:
        """And back."""
        self.rename("aside/app.log", LIVE)

    @precondition(lambda self: LIVE in self.paths)
    @rule(hidden=st.booleans())
    def chmod(self, *, hidden: bool) -> None:
        """Take the permission to read, or give it."""
        self.at(LIVE).chmod(0 if hidden else 0o600)
        self.paths[LIVE].hidden = hidden

    # -- the follower -------------------------------------------------------------------------------------------

    @rule()
    def look(self) -> None:
        """Look; and again, so that what was seen is in the rows."""
        self.recorder.look()
        self.recorder.look()
        # Whether what cannot be read is still the original, nobody can tell: its copy may have to wait.
        blind = any(body.hidden and body.data for body in self.paths.values())
        for name, body in self.paths.items():
            if name.startswith("aside") and not body.held:
                # It vanished. Should it come back, and go again before a look, it is sought only when its time is over.
                body.known = False
            if body.alias or not self.reachable(name, body):
                continue
            if body.hidden and not body.held:
                body.shut, body.known = True, body.known and bool(body.seen)
                continue
            # Nor can it be told of what was put in its place, and of a part of it, which may still grow.
            if not body.held and (body.partly or (blind and (body.copied or body.again))):
                continue
            body.shut = False
            if not name.endswith(".gz"):  # how much a compressed one holds shows only when it is read
                body.seen |= set(body.lines())
            body.held = body.known = True
            body.trimmed = False

    @rule(long=st.booleans())
    def wait(self, *, long: bool) -> None:
        """Longer than what vanished, what was renamed, or what may be a copy is given to show."""
        self.look()
        self.recorder.clock.advance(100.0 if long else 6.0)
        for body in self.paths.values():
            body.partly = False
        self.look()
        for name, body in self.paths.items():
            body.ended = body.ended or (name != LIVE and bool(body.tail()))
            if not self.reachable(name, body):  # sought no longer; it is known when it comes to a wanted path
                body.known = False
                self.destroy(body, body.data)

    @rule()
    def step(self) -> None:
        """Look and read all."""
        self.look()
        self.recorder.read()
        self.adrift.clear()

    @rule(chunks=st.integers(1, 2))
    def read_some(self, chunks: int) -> None:
        """Read without looking first, and not all."""
        self.recorder.read(chunks=chunks)

    @rule()
    def crash(self) -> None:
        """Kill -9: what was only held is gone."""
        self.recorder.crash()
        for body in self.adrift:
            self.destroy(body, body.data)
        self.adrift.clear()
        for body in self.paths.values():
            body.held = False

    # -- what must hold -----------------------------------------------------------------------------------------

    @invariant()
    def nothing_twice_and_nothing_invented(self) -> None:
        """At any time."""
        given = self.recorder.lines
        assert len(given) == len(set(given))
        assert set(given) <= self.every

    def settle(self) -> None:
        """Bring everything back into reach, read all, and balance the books."""
        for body in self.paths.values():
            body.hidden = False
        for name in self.paths:
            self.at(name).chmod(0o600)
        if "aside/app.log" in self.paths:
            self.rename("aside/app.log", LIVE if LIVE not in self.paths else "app.log.9")
        self.recorder.finish()
        self.nothing_twice_and_nothing_invented()
        given = set(self.recorder.lines)
        reachable = {
            line for name, body in self.paths.items() if self.reachable(name, body) for line in body.lines()
        }
        reachable |= {line for body in self.adrift for line in body.lines()}
        assert reachable - given - set(self.excused) == set()
        missing = {line: seen for line, seen in self.excused.items() if line not in given}
        lost = self.recorder.lost()
        most = sum(len(line) + 1 for line in self.every - given)
        # What begins as something else did cannot be told from it between two places of what nobody has read.
        unclear = (1024 if self.prefix else 64) * len(self.recorder.incidents)
        assert sum(missing.values()) - unclear <= lost <= most + self.twice
        if missing and not self.unwatched:
            assert LOSSES & set(self.recorder.kinds())


TestFollowing = Following.TestCase
TestFollowing.settings = settings(
    max_examples=max(200, settings().max_examples),
    stateful_step_count=30,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
