"""H1 to H16 of the hazards of following, through the real process: events that arrive, and lines that were read, are counted.

A line that is read twice would not show at the server, since both readings have one id; it shows in what `status`
counts as matched. The same hazards at the level of the follower, with many more variants: `tests/hazards/`.
"""

import gzip
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.following import fill_until_inode
from tests.misbehaving import OK
from tests.running import Running, metric_line, wait_until
from tests.scene import (
    Scene,
    append,
    asleep,
    held,
    holds,
    kinds,
    lines,
    lost,
    made,
    no_deleted,
    peak_bytes,
    scene,
    start_unprivileged,
    told,
)
from tests.test_same_ids import as_docker, long_line

MB = 1_000_000
NOISE = b'{"level":"info","message":"' + b"n" * 971 + b'"}\n'
CAPPED = {"max_events": 100}


# Truncation


def test_h01_regrown_past_the_old_offset(tmp_path: Path) -> None:
    """Copied, emptied and regrown under the same header between two looks: the new lines once; a cut gives none again."""
    header = b"# " + b"h" * 1097 + b"\n"
    with scene(tmp_path, "app.log*") as on:
        append(on.log, header + lines(0, 100))
        with on.program.start() as process:
            on.wait_for(100)
            with asleep(process):
                shutil.copy(on.log, tmp_path / "app.log.1")
                on.log.write_bytes(header + lines(100, 400))
            on.wait_for(400)
            os.truncate(on.log, on.log.stat().st_size - len(metric_line(399)))
            on.wait_for_look(on.log)
            append(on.log, lines(400, 402))
            on.wait_for(402)
            assert process.stop() == 0
        report = on.assert_once(range(402))
        assert lost(report) == 0
        assert "truncated" in kinds(report)


def emptied_while_behind(
    on: Scene, copy: Callable[[], object], count: int, until: Callable[[Running], bool]
) -> Running:
    """The outbox is full and a look has seen 1000 lines that nobody read when the file is copied, emptied, and has ten."""
    append(on.log, lines(0, 100))
    with on.program.start() as process:
        process.wait_for("outbox_full")
        append(on.log, lines(100, 1100))
        on.wait_for_look(on.log)
        with asleep(process):
            copy()
            on.log.write_bytes(lines(1100, 1110))
        on.answering.set()
        on.wait_for(count)
        wait_until(lambda: until(process), "what is to be told")
        assert process.stop() == 0
    return process


@pytest.mark.parametrize("copy", ["matched", "beside", "compressed"])
def test_h02_truncated_while_behind(tmp_path: Path, copy: str) -> None:
    """What was not read when the file was copied and emptied comes from the copy, matched or not, compressed too."""
    beside = tmp_path / "app.log.1"

    def make_copy() -> None:
        if copy == "compressed":
            beside.with_name("app.log.1.gz").write_bytes(gzip.compress(on.log.read_bytes()))
        else:
            shutil.copy(on.log, beside)

    with scene(
        tmp_path, "app.log*" if copy == "matched" else "app.log", answering=False, outbox=CAPPED
    ) as on:
        emptied_while_behind(on, make_copy, 1110, lambda _: True)
        assert lost(on.assert_once(range(1110))) == 0


@pytest.fixture(scope="module")
def lossy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, Running]]:
    """The same without a copy, which is over."""
    with scene(tmp_path_factory.mktemp("lossy"), "app.log", answering=False, outbox=CAPPED) as on:
        yield on, emptied_while_behind(on, lambda: None, 110, lambda process: told(process, "truncated"))


def test_h02_without_a_copy_the_loss_is_counted_to_the_byte(lossy: tuple[Scene, Running]) -> None:
    """The ten new lines come, and `status` names the file with the bytes that were seen and not read."""
    on, _ = lossy
    report = on.assert_once(range(100), range(1100, 1110))
    assert lost(report) == len(lines(100, 1100))
    assert {file["path"] for file in report["files"] if file["lost_bytes"]} == {str(on.log)}
    assert [(one["kind"], one["path"]) for one in report["incidents"]] == [("truncated", str(on.log))]


def test_h02_a_counted_loss_is_told_and_needs_a_person(lossy: tuple[Scene, Running]) -> None:
    """Its bytes stand in the incident that is logged (and in the metric, which counts the same), and `status` alarms."""
    on, process = lossy
    size = len(lines(100, 1100))
    assert [line["lost_bytes"] for line in process.told if line["event"] == "incident"] == [size]
    report = on.status()
    assert [one["lost_bytes"] for one in report["incidents"]] == [size]
    assert report["attention"]


def test_h03_hole_of_nuls(tmp_path: Path) -> None:
    """A writer that does not append goes on behind a hole of 8 MB: only its new lines come, the hole is counted."""
    with scene(tmp_path, "app.log") as on, on.log.open("wb", buffering=0) as writer:
        writer.write(NOISE * 8000 + lines(0, 10))
        with on.program.start() as process:
            on.wait_for(10)
            os.truncate(on.log, 0)
            on.wait_for_look(on.log)
            writer.write(lines(10, 15))
            on.wait_for(15)
            writer.write(lines(15, 20))
            on.wait_for(20)
            assert process.stop() == 0
        assert kinds(on.assert_once(range(20))).count("hole") == 1


# Identity


def test_h04_inode_reused(tmp_path: Path) -> None:
    """A new file with the inode of a deleted one comes whole: twice the size, of the same size, and made while down."""
    back = 0

    def replace(inode: int, first: int) -> None:
        nonlocal back
        made = fill_until_inode(tmp_path, inode, lambda path: append(path, lines(first, first + 50)))
        if made is None:
            append(on.log, lines(first, first + 50))  # somebody else on this machine has it now
        else:
            made.rename(on.log)
            back += 1

    with scene(tmp_path, "app.log") as on:
        append(on.log, lines(1000, 1025))
        with on.program.start() as process:
            on.wait_for(25)
            for first in range(1025, 1225, 50):
                inode = on.log.stat().st_ino
                on.log.unlink()
                wait_until(lambda: not held(process, tmp_path), "the handle to go")
                replace(inode, first)
                on.wait_for(first + 50 - 1000)
            assert process.stop() == 0
        inode = on.log.stat().st_ino
        on.log.unlink()
        replace(inode, 1225)
        with on.program.start() as process:
            on.wait_for(275)
            assert process.stop() == 0
        on.assert_once(range(1000, 1275))
    if not back:
        pytest.skip("this file system does not give an inode back")


def test_h05_two_live_files_with_the_same_head(tmp_path: Path) -> None:
    """Files that share their first 4 kB and then differ come whole while all of them grow, over a restart, too."""
    head = NOISE * 4
    files = [tmp_path / name for name in ("app.log", "app.log.1", "b.log", "c.log")]
    with scene(tmp_path, "*.log*") as on:
        for number, file in enumerate(files):
            append(file, head + lines(number * 100, number * 100 + 5))
        for life in range(2):
            with on.program.start() as process:
                for turn in (1 + 2 * life, 2 + 2 * life):
                    for number, file in enumerate(files):
                        append(file, lines(number * 100 + turn * 5, number * 100 + turn * 5 + 5))
                    on.wait_for(20 + turn * 20)
                assert process.stop() == 0
        on.assert_once(*(range(number * 100, number * 100 + 25) for number in range(4)))


TINY = """\
pack: tiny
version: 1
about: A line of forty bytes
events:
  booted: {about: The app started}
rules:
  - id: booted
    event: booted
    when: [{field: job, equals: Boot}]
    key: [id]
    user: {constant: nobody}
    examples:
      - {line: '{}', gives: []}
"""


def test_h06_tiny_file(tmp_path: Path) -> None:
    """One line of forty bytes comes at the next look, and not again after a rename or a restart."""
    line = b'{"job":"Boot","id":"00000000-0000-0000"}'
    assert len(line) == 40
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    with scene(tmp_path, "*.log*", rules=["tiny.yaml"], variables={}) as on:
        on.server.script = lambda _: OK
        with on.program.start() as process:
            process.wait_for("started")
            append(on.log, line + b"\n")
            on.wait_for(1)
            on.log.rename(tmp_path / "app.log.1")
            wait_until(lambda: [row.path for row in on.rows()] == [str(tmp_path / "app.log.1")], "a look")
            assert process.stop() == 0
        (tmp_path / "app.log.1").rename(tmp_path / "app.log.2")
        with on.program.start() as process:
            wait_until(lambda: [row.path for row in on.rows()] == [str(tmp_path / "app.log.2")], "a look")
            assert process.stop() == 0
        assert len(on.server.accepted) == 1
        assert [one["count"] for one in on.status()["counters"] if one["name"] == "matched"] == [1]


def test_h07_deleted_and_recreated(tmp_path: Path) -> None:
    """A short file, deleted as soon as it is held, then a long one under its name: all of both, and no handle stays."""
    rounds, short, long = 5, 101, 1010
    with scene(tmp_path, "app.log") as on, on.program.start() as process:
        for first in range(0, rounds * (short + long), short + long):
            inode = made(on.log, lines(first, first + short))
            wait_until(lambda n=inode: holds(process, n), "the short file to be held")  # type: ignore[misc]
            on.log.unlink()
            append(on.log, lines(first + short, first + short + long))
            on.wait_for(first + short + long)
            on.log.unlink()
        wait_until(lambda: not held(process, tmp_path), "the handles to go")
        assert process.stop() == 0
        assert lost(on.assert_once(range(rounds * (short + long)))) == 0


def test_h08_empty_at_the_stop_filled_and_rotated_twice_while_down(tmp_path: Path) -> None:
    """With `start_at: end` every line comes but those that were there at the very first start."""
    with scene(tmp_path, sources=[{"paths": ["*.log*"], "start_at": "end"}]) as on:
        append(tmp_path / "b.log", lines(0, 5))
        on.log.touch()
        with on.program.start() as process:
            wait_until(lambda: len(on.rows()) == 2, "the first look")
            assert process.stop() == 0
        append(on.log, lines(10, 30))
        on.log.rename(tmp_path / "app.log.2")
        append(on.log, lines(30, 50))
        on.log.rename(tmp_path / "app.log.1")
        append(on.log, lines(50, 70))
        append(tmp_path / "b.log", lines(5, 10))
        with on.program.start() as process:
            on.wait_for(65)
            assert process.stop() == 0
        assert lost(on.assert_once(range(5, 70))) == 0


# Rotation and discovery


def test_h09_rotated_while_segment_is_down(tmp_path: Path) -> None:
    """503, the outbox full, the file renamed out of the pattern and compressed: every line, when Segment is back."""
    with scene(tmp_path, "app.log", outbox={"max_events": 500}) as on:
        on.away = True
        append(on.log, lines(0, 6000))
        with on.program.start() as process:
            process.wait_for("outbox_full")
            on.log.rename(tmp_path / "app.log.1")
            append(tmp_path / "app.log.1", lines(6000, 6010))
            append(on.log, lines(6010, 6020))
            on.wait_for_look(on.log)
            packed = gzip.compress((tmp_path / "app.log.1").read_bytes(), 1)
            (tmp_path / "app.log.1.gz").write_bytes(packed)
            (tmp_path / "app.log.1").unlink()
            asked = len(on.server.requests)
            wait_until(lambda: len(on.server.requests) > asked, "one more try")
            on.away = False
            on.wait_for(6020)
            wait_until(lambda: no_deleted(process, tmp_path), "the handle to go")
            assert process.stop() == 0
        assert on.numbers == list(range(6020))
        assert lost(on.assert_once(range(6020))) == 0


def test_h10_short_lived_files_beside_a_big_one(tmp_path: Path) -> None:
    """Twenty files, each unlinked as soon as it is held, while a large one grows by 8 MB a file: all lines of both."""
    big = tmp_path / "a-big.log"
    with scene(tmp_path, "*.log") as on, on.program.start() as process:
        append(big, lines(0, 1))
        for number in range(20):
            append(big, NOISE * 8000)
            short = tmp_path / f"short-{number}.log"
            inode = made(short, lines(1 + number * 100, 101 + number * 100))
            wait_until(lambda n=inode: holds(process, n), "the short file to be held")  # type: ignore[misc]
            short.unlink()
        append(big, lines(2001, 2002))
        on.wait_for(2002)
        wait_until(lambda: no_deleted(process, tmp_path), "the handles to go")
        assert process.stop() == 0
        assert lost(on.assert_once(range(2002))) == 0


def test_h10_discovery_is_not_delayed_by_lines_that_match(tmp_path: Path) -> None:
    """A file that is made while a large one with nothing but events is read is opened before that is read to its end."""
    big, short = tmp_path / "a-big.log", tmp_path / "short.log"
    with scene(tmp_path, "*.log") as on, on.program.start() as process:
        append(tmp_path / "unfinished", lines(0, 1000) * 20)
        (tmp_path / "unfinished").rename(big)  # one look sees all of it
        wait_until(lambda: any(row.offset for row in on.rows()), "the large one to be read")
        inode = made(short, lines(1000, 1001))
        wait_until(lambda: holds(process, inode), "the short file to be held")
        short.unlink()
        left = [row.path for row in on.rows() if row.offset < big.stat().st_size]
        on.wait_for(1001)
        assert process.stop() == 0
        assert str(big) in left


def test_h10_what_was_seen_and_never_opened_is_reported(tmp_path: Path) -> None:
    """A file that no permission opens, and that is removed, is named in `status`; its neighbour is read."""
    sealed = tmp_path / "sealed.log"
    with scene(tmp_path, "*.log") as on:
        append(sealed, lines(0, 10))
        sealed.chmod(0)
        append(on.log, lines(10, 20))
        with start_unprivileged(on.program) as process:
            on.wait_for(10)
            wait_until(lambda: told(process, "unreadable"), "the file to be seen")
            sealed.unlink()
            wait_until(lambda: told(process, "unopened"), "the report")
            assert process.stop() == 0
        report = on.assert_once(range(10, 20))
        assert [one["path"] for one in report["incidents"] if one["kind"] == "unopened"] == [str(sealed)]


def test_h11_mode_000(tmp_path: Path) -> None:
    """Unreadable from one start to beyond the next: said so, once each, and picked up where it was when it is readable."""
    with scene(tmp_path, "app.log") as on:
        append(on.log, lines(0, 3))
        with start_unprivileged(on.program) as process:
            on.wait_for(3)
            assert process.stop() == 0
        on.log.chmod(0)
        with start_unprivileged(on.program) as process:
            wait_until(lambda: told(process, "unreadable"), "it to be called unreadable")
            assert any("unreadable" in words for words in on.status()["attention"])
            on.log.chmod(0o600)
            append(on.log, lines(3, 6))
            on.wait_for(6)
            assert process.stop() == 0
        report = on.assert_once(range(6))
        assert kinds(report) == ["unreadable"]
        assert lost(report) == 0


@pytest.mark.parametrize("what", ["file", "folder"])
def test_h11_renamed_away_and_back(tmp_path: Path, what: str) -> None:
    """A path, or a folder above it, is gone for some looks: reading goes on where it was, and nothing is called lost."""
    logs = tmp_path / "parent" / "logs"
    logs.mkdir(parents=True)
    log = logs / "app.log"
    moved, away = (log, tmp_path / "aside") if what == "file" else (logs.parent, tmp_path / "away")
    with scene(tmp_path, "parent/**/*.log") as on:
        append(log, lines(0, 3))
        with on.program.start() as process:
            on.wait_for(3)
            moved.rename(away)
            on.wait_until_missed(log)
            away.rename(moved)
            append(log, lines(3, 6))
            on.wait_for(6)
            assert process.stop() == 0
        assert lost(on.assert_once(range(6))) == 0


# Lines


def test_h12_partial_line_and_kill(tmp_path: Path) -> None:
    """Half a line, kill -9, the other half: one event."""
    with scene(tmp_path, "app.log") as on:
        line = metric_line(0)
        append(on.log, line[:200])
        with on.program.start() as process:
            on.wait_for_look(on.log)
            process.send(signal.SIGKILL)
        with on.program.start() as process:
            process.wait_for("started")
            append(on.log, line[200:] + lines(1, 2))
            on.wait_for(2)
            assert process.stop() == 0
        on.assert_once(range(2))


def test_h12_unterminated_last_line_of_a_final_file(tmp_path: Path) -> None:
    """Deleted, or rotated away and quiet: the last line comes without its newline, once."""
    other = tmp_path / "b.log"
    with scene(tmp_path, "*.log*") as on:
        append(on.log, metric_line(0).rstrip())
        append(other, metric_line(1).rstrip())
        with on.program.start() as process:
            on.wait_for_look(on.log)
            on.wait_for_look(other)
            on.log.unlink()
            other.rename(tmp_path / "b.log.1")
            append(other, lines(2, 3))
            on.wait_for(3)
            assert process.stop() == 0
        with on.program.start() as process:
            append(other, lines(3, 4))
            on.wait_for(4)
            assert process.stop() == 0
        on.assert_once(range(4))


def cri(stream: str, tag: str, text: bytes) -> bytes:
    """A line of a CRI runtime."""
    return f"2026-11-22T10:00:00.000000000+00:00 {stream} {tag} ".encode() + text.rstrip(b"\n") + b"\n"


def test_h13_pieces_across_a_rotation_and_a_restart(tmp_path: Path) -> None:
    """The first piece ends a file, the last stands in the next behind another stream's line: both events once."""
    log = tmp_path / "0.log"
    cut, other = metric_line(0), metric_line(1)
    with scene(tmp_path, "0.log*") as on:
        whole = cri("stdout", "F", metric_line(2))
        append(log, whole + cri("stdout", "P", cut[:200]))
        with on.program.start() as process:
            on.wait_for_acknowledged(1)
            on.wait_for_look(log)
            process.send(signal.SIGKILL)
        assert [row.offset for row in on.rows()] == [len(whole)]
        log.rename(tmp_path / "0.log.20261122-120000")
        append(log, cri("stderr", "F", other) + cri("stdout", "F", cut[200:]))
        with on.program.start() as process:
            on.wait_for(3)
            assert process.stop() == 0
        on.assert_once(range(3))


def test_h14_docker_s_pieces_across_a_rotation_and_a_restart(tmp_path: Path) -> None:
    """A line of 40 kB in three of Docker's pieces, a rotation and a restart between them: one event."""
    first, second, third = as_docker([long_line(metric_line(0), 40_000).replace("é".encode(), b"e")])
    with scene(tmp_path, "app.log*") as on:
        append(on.log, first + b"\n")
        with on.program.start() as process:
            on.wait_for_look(on.log)
            on.log.rename(tmp_path / "app.log.1")
            append(on.log, second + b"\n")
            on.wait_for_look(on.log)
            assert process.stop() == 0
        with on.program.start() as process:
            append(on.log, third + b"\n")
            on.wait_for(1)
            assert process.stop() == 0
        on.assert_once(range(1))


def test_h15_very_long_line(tmp_path: Path) -> None:
    """64 MB between two good lines, and 64 MB that have no end yet: the neighbours, flat memory, over a restart."""
    endless = tmp_path / "endless.log"
    with scene(tmp_path, "*.log") as on:
        append(on.log, lines(0, 1))
        with on.program.start() as process:
            on.wait_for(1)
            before = peak_bytes(process)
            append(on.log, b"x" * 64 * MB + b"\n" + lines(1, 2))
            append(endless, b"x" * 64 * MB)
            on.wait_for_acknowledged(2)
            wait_until(lambda: any(row.offset == 64 * MB for row in on.rows()), "the offset to move on")
            assert peak_bytes(process) - before < 32 * MB
            process.send(signal.SIGKILL)
        with on.program.start() as process:
            append(endless, b"\n" + lines(2, 3))
            on.wait_for(3)
            assert process.stop() == 0
        assert sorted(kinds(on.assert_once(range(3)))) == ["too_long", "too_long"]


def test_h16_gzip(tmp_path: Path) -> None:
    """Compressed while its plain file and its copy match: nothing twice; `backfill` gives the same ids, and the rest."""
    rotated, packed = tmp_path / "app.log.1", tmp_path / "app.log.1.gz"
    with scene(tmp_path, "app.log*") as on:
        append(on.log, lines(0, 300))
        with on.program.start() as process:
            on.wait_for(300)
            on.log.rename(rotated)
            data = rotated.read_bytes()
            members = gzip.compress(data[:50_000]) + gzip.compress(data[50_000:])
            packed.write_bytes(members[:100])
            append(on.log, lines(300, 301))
            on.wait_for(301)
            packed.write_bytes(members)
            rotated.unlink()
            on.wait_until_missed(rotated)
            append(on.log, lines(301, 302))
            on.wait_for(302)
            assert process.stop() == 0
        on.assert_once(range(302))

        short = tmp_path / "old.log.gz"
        short.write_bytes(gzip.compress(lines(302, 2302))[:-2000])
        arguments = ("--assume-time", "mtime", "--yes", str(packed), str(short))
        ended = on.program.call("backfill", *arguments)
        assert ended.returncode == 0, ended.stderr
        assert set(range(302)) < set(on.numbers) == set(range(len(on.numbers)))
        assert len(set(on.server.accepted)) == len(on.server.accepted) == len(on.numbers)
        assert "broken" in kinds(on.status())
        before = len(on.server.requests)
        assert on.program.call("backfill", *arguments).returncode == 0
        assert len(on.server.requests) == before
