"""H16: compressed files."""

import gzip
import shutil
from pathlib import Path

import pytest

from extractor.source import WholeFile, oldest_first, read_whole
from extractor.telemetry import IncidentKind
from tests.following import SMALL, Recorder, append, numbered


def test_h16_never_followed_live(tmp_path: Path) -> None:
    """A rotated file that is compressed while it and its copy are matched gives nothing twice."""
    log = tmp_path / "app.log"
    append(log, numbered("line", 500))
    with Recorder(tmp_path, ("app.log*",)) as recorder:
        recorder.step()
        log.rename(tmp_path / "app.log.1")
        data = (tmp_path / "app.log.1").read_bytes()
        packed = gzip.compress(data)
        (tmp_path / "app.log.1.gz").write_bytes(packed[:100])
        recorder.step()
        (tmp_path / "app.log.1.gz").write_bytes(packed)
        recorder.step()
        (tmp_path / "app.log.1").unlink()
        recorder.step()
        recorder.crash()
        recorder.finish()
        assert recorder.lines == numbered("line", 500)


def test_h16_several_members(tmp_path: Path) -> None:
    """A file of several members reads as one stream, with the offsets of the plain file."""
    lines = numbered("line", 1000)
    plain = b"".join(line + b"\n" for line in lines)
    path = tmp_path / "app.log.1.gz"
    path.write_bytes(b"".join(gzip.compress(plain[i : i + 10_001]) for i in range(0, len(plain), 10_001)))
    read = b""
    with WholeFile(str(path), limits=SMALL) as whole:
        for chunk in whole.chunks():
            assert chunk.start == len(read)
            read += chunk.data
        assert whole.position == whole.size
        assert whole.broken is None
    assert read == plain


@pytest.mark.parametrize("start", [0, 1, 500, 999])
def test_h16_going_on_after_an_interruption(tmp_path: Path, start: int) -> None:
    """Reading may start at any line of the uncompressed stream."""
    lines = numbered("line", 1000)
    plain = b"".join(line + b"\n" for line in lines)
    path = tmp_path / "app.log.1.gz"
    path.write_bytes(gzip.compress(plain))
    offset = sum(len(line) + 1 for line in lines[:start])
    with WholeFile(str(path), limits=SMALL) as whole:
        assert b"".join(bytes(chunk.data) for chunk in whole.chunks(offset)) == plain[offset:]


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_h16_cut_short(tmp_path: Path, keep: float) -> None:
    """What comes before the break is read, and the break is an incident."""
    lines = numbered("line", 5000)
    packed = gzip.compress(b"".join(line + b"\n" for line in lines))
    path = tmp_path / "app.log.1.gz"
    path.write_bytes(packed[: int(len(packed) * keep)])
    with WholeFile(str(path), limits=SMALL) as whole:
        read = b"".join(bytes(chunk.data) for chunk in whole.chunks())
        assert whole.broken is not None
        assert whole.broken.kind is IncidentKind.BROKEN
    assert read
    assert b"".join(line + b"\n" for line in lines).startswith(read)


def test_h16_plain_and_compressed_give_the_same(tmp_path: Path) -> None:
    """Chunk for chunk the same lines at the same offsets, too long lines and holes included."""
    data = b"one\n" + b"x" * 10_000 + b"\n" + bytes(20_000) + b"two\nhalf"
    (tmp_path / "app.log").write_bytes(data)
    with gzip.open(tmp_path / "app.log.gz", "wb") as file:
        file.write(data)

    def lines(name: str) -> list[tuple[int, bytes]]:
        chunks = [(c.start, bytes(c.data), c.final) for c in read_whole(str(tmp_path / name), limits=SMALL)]
        assert chunks[-1][2]
        return [(start, data) for start, data, _ in chunks if data]

    assert lines("app.log") == lines("app.log.gz")
    assert b"".join(data for _, data in lines("app.log")) == b"one\ntwo\nhalf"


def test_h16_oldest_first(tmp_path: Path) -> None:
    """Rotated siblings are read in the order in which they were written."""
    numbers = ["app.log", "app.log.1", "app.log.2.gz", "app.log.10.gz"]
    dates = ["b.log", "b.log-20261122", "b.log-20261121.gz", "b-20251231.log"]
    given = [str(tmp_path / name) for name in numbers + dates]
    expected = [str(tmp_path / name) for name in [*reversed(numbers), *reversed(dates)]]
    assert oldest_first(given) == expected
    shutil.rmtree(tmp_path)
