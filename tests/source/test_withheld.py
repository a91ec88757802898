"""Files that cannot be read when an opt-out ends: what was written under it is not sent when they can be."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from extractor.source.handle import InflatedHandle
from extractor.telemetry import IncidentKind
from tests.following import Recorder, append, numbered, unprivileged


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of a user whom permissions stop."""
    with unprivileged() as made:
        yield made


def _lift(recorder: Recorder) -> None:
    """As at the end of an opt-out: read all that there is, for nothing, and withhold what cannot be read."""
    recorder.step()
    recorder.lines.clear()
    recorder.rows.update((row.file_id, row) for row in recorder.follower.withhold_unreadable())


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_goes_on_at_its_end_when_it_can_be_read(folder: Path, *, known: bool, restart: bool) -> None:
    """Whether the file was known before or not, and over a restart; what comes later is read."""
    log = folder / "app.log"
    with Recorder(folder) as recorder:
        append(folder / "other.log", [b"other"])
        if known:
            append(log, numbered("before", 3))
        recorder.step()
        recorder.crash()  # else it would be read through the handle
        append(log, numbered("under", 300))
        log.chmod(0)
        _lift(recorder)
        if restart:
            recorder.crash()
        assert recorder.step() == []
        log.chmod(0o600)
        assert recorder.step() == []
        append(log, [b"later"])
        assert recorder.step() == [b"later"]
        recorder.crash()
        assert recorder.step() == []
        assert recorder.lost() == 0


def test_what_stands_in_its_place_is_withheld_too(folder: Path) -> None:
    """Truncated under the opt-out and written again: other bytes, and not to be sent either."""
    log = folder / "app.log"
    with Recorder(folder) as recorder:
        append(log, numbered("before", 10))
        recorder.step()
        recorder.crash()
        log.write_bytes(b"".join(line + b"\n" for line in numbered("under", 300)))
        log.chmod(0)
        _lift(recorder)
        log.chmod(0o600)
        assert recorder.step() == []
        append(log, [b"later"])
        assert recorder.step() == [b"later"]


def test_renamed_before_it_can_be_read(folder: Path) -> None:
    """Under its new name it is withheld as before; what is new at its old name is read."""
    log = folder / "app.log"
    with Recorder(folder) as recorder:
        append(log, numbered("under", 10))
        log.chmod(0)
        _lift(recorder)
        log.rename(folder / "app.log.1")
        append(log, [b"new"])
        assert recorder.step() == [b"new"]
        (folder / "app.log.1").chmod(0o600)
        assert recorder.step() == []


@pytest.mark.parametrize("restart", [False, True])
def test_in_a_folder_that_cannot_be_listed(folder: Path, *, restart: bool) -> None:
    """Files of which not even the name is known are passed over, over a restart too; what comes later is read."""
    inner = folder / "inner"
    inner.mkdir()
    append(inner / "known.log", numbered("before", 3))
    with Recorder(folder, ("*/*.log",)) as recorder:
        recorder.step()
        recorder.crash()
        append(inner / "known.log", numbered("under", 10))
        append(inner / "unknown.log", numbered("under", 10))
        inner.chmod(0)
        _lift(recorder)
        assert IncidentKind.UNREADABLE in recorder.kinds()
        if restart:
            recorder.crash()
            assert recorder.step() == []
        inner.chmod(0o700)
        assert recorder.step() == []
        append(inner / "known.log", [b"known"])
        append(inner / "unknown.log", [b"unknown"])
        append(inner / "later.log", [b"later"])
        assert sorted(recorder.step()) == [b"known", b"later", b"unknown"]
        assert not any(row.path == str(inner) for row in recorder.rows.values())


def test_what_is_closed_in_a_folder_that_opens(folder: Path) -> None:
    """A file that still cannot be read, and one in a folder that still cannot be listed, are withheld as well."""
    inner = folder / "inner"
    (inner / "deep").mkdir(parents=True)
    append(inner / "sealed.log", numbered("under", 10))
    append(inner / "deep" / "hidden.log", numbered("under", 10))
    with Recorder(folder, ("**/*.log",)) as recorder:
        (inner / "sealed.log").chmod(0)
        (inner / "deep").chmod(0)
        inner.chmod(0)
        _lift(recorder)
        recorder.crash()
        inner.chmod(0o700)
        assert recorder.step() == []
        recorder.crash()
        (inner / "sealed.log").chmod(0o600)
        (inner / "deep").chmod(0o700)
        assert recorder.step() == []
        append(inner / "sealed.log", [b"later"])
        append(inner / "deep" / "hidden.log", [b"later, too"])
        assert sorted(recorder.step()) == [b"later", b"later, too"]
        assert len(recorder.rows) == 2


@pytest.mark.parametrize("lifted", [False, True])
def test_a_disk_that_refuses_to_read_a_copy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, lifted: bool
) -> None:
    """What stands only in a compressed copy is read when that can be, but not when an opt-out has ended meanwhile."""
    log = folder / "app.log"
    with Recorder(folder, ("app.log",)) as recorder:
        append(log, numbered("before", 3))
        recorder.step()
        recorder.crash()
        append(log, numbered("under", 3))
        (folder / "app.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
        log.unlink()
        recorder.look()
        recorder.lines.clear()
        with monkeypatch.context() as patched:
            patched.setattr(InflatedHandle, "read_into", _refused)
            if lifted:
                _lift(recorder)
            else:
                assert recorder.step() == []
        assert recorder.step() == ([] if lifted else numbered("under", 3))
        assert IncidentKind.UNREADABLE in recorder.kinds()
        recorder.crash()
        assert recorder.finish() == ([] if lifted else numbered("under", 3))


def _refused(*_: object) -> int:
    raise OSError(5, "the disk refuses")


def test_what_can_be_read_is_not_withheld(folder: Path) -> None:
    """Lines written after the end of the opt-out to other files are read, unfinished ones too."""
    log = folder / "app.log"
    with Recorder(folder) as recorder:
        append(log, numbered("under", 10))
        _lift(recorder)
        append(log, [b"later"])
        assert recorder.step() == [b"later"]
