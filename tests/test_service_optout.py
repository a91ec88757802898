"""Opt-out: the word, and how the state follows it whatever the disk does meanwhile."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from extractor.config import load_config
from extractor.optout import MARKER, Obedience, OptOut
from extractor.store import Store, StoreUnavailable
from tests.delivering import FakeClock, build_event, outcome_of


def build_word(folder: Path, environ: dict[str, str] | None = None, **config: object) -> OptOut:
    """The word of a config in a folder."""
    document = {"sources": [{"paths": ["x.log"]}], **config}
    (folder / "extractor.yaml").write_text(json.dumps(document), encoding="utf-8")
    return OptOut(load_config(folder / "extractor.yaml", {}), environ or {})


@pytest.mark.parametrize("value", ["true", "TRUE", "1", "yes", "On"])
@pytest.mark.parametrize("name", ["LAGO_DISABLE_SEGMENT", "EXTRACTOR_DISABLED"])
def test_a_variable_opts_out(tmp_path: Path, name: str, value: str) -> None:
    """In each of its spellings, and it is named."""
    assert build_word(tmp_path, {name: value}).by() == name


@pytest.mark.parametrize("value", ["", "false", "0", "no"])
def test_a_variable_that_says_no_does_not(tmp_path: Path, value: str) -> None:
    """And neither does one that is empty."""
    assert build_word(tmp_path, {"LAGO_DISABLE_SEGMENT": value}).allowed()


def test_the_config_opts_out(tmp_path: Path) -> None:
    """`enabled: false`."""
    assert build_word(tmp_path, enabled=False).by() == "enabled"


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_anything_of_that_name_opts_out_at_once(tmp_path: Path, kind: str) -> None:
    """It is looked for each time that somebody asks."""
    word = build_word(tmp_path)
    marker = tmp_path / "state" / MARKER
    assert word.allowed()
    marker.parent.mkdir()
    if kind == "file":
        marker.touch()
    elif kind == "folder":
        marker.mkdir()
    else:
        marker.symlink_to("nowhere")
    assert word.by() == MARKER


def test_what_cannot_be_looked_at_is_no_permission(tmp_path: Path) -> None:
    """A state folder that is something else: better nothing leaves."""
    (tmp_path / "state").touch()
    assert not build_word(tmp_path).allowed()


class Refusing(Store):
    """A store that can be told to refuse."""

    refuse: str = ""

    def opt_out(self, by: str) -> None:
        """Refuse before anything, or after the messages are unreachable and not erased yet."""
        if self.refuse == "before":
            raise StoreUnavailable(self.refuse)
        super().opt_out(by)
        if self.refuse == "after":
            raise StoreUnavailable(self.refuse)

    def opt_in(self) -> None:
        """Refuse."""
        if self.refuse == "lift":
            raise StoreUnavailable(self.refuse)
        super().opt_in()


class Scene:
    """A word, a store with a waiting event, and what brings them together."""

    def __init__(self, folder: Path) -> None:
        self.word = build_word(folder)
        self.marker = folder / "state" / MARKER
        self.clock = FakeClock()
        opened = Refusing.open(folder / "state", destination="stdout", clock=self.clock)
        assert isinstance(opened, Refusing)
        self.store = opened
        self.store.record([], [outcome_of(build_event(1))])
        self.skipped: list[float] = []
        self.complete = True
        self.obedience = Obedience(self.word, self.store, self.clock)

    def follow(self) -> None:
        """As before each step."""
        self.obedience.follow(self.skip)

    def skip(self, since: float) -> bool:
        """Note when it was asked for."""
        self.skipped.append(since)
        return self.complete

    @property
    def in_force(self) -> bool:
        """What the state says."""
        return self.store.status().opt_out is not None


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """See `Scene`."""
    built = Scene(tmp_path)
    yield built
    built.store.close()


def test_purged_when_it_begins_skipped_and_lifted_when_it_ends(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once each, told loudly, with since when and by what."""
    scene.follow()
    assert scene.store.status().outbox_rows == 1
    scene.marker.touch()
    assert scene.obedience.outdated()
    for _ in range(3):
        scene.follow()
    assert not scene.obedience.outdated()
    assert scene.in_force
    assert scene.store.status().outbox_rows == 0
    began = scene.clock.now()
    scene.clock.advance(60)
    scene.marker.unlink()
    for _ in range(3):
        scene.follow()
    assert scene.skipped == [began]
    assert not scene.in_force
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["by"], line["since"]) for line in told] == [
        ("opted_out", MARKER, began),
        ("opt_out_lifted", MARKER, began),
    ]


def test_a_skip_that_did_not_come_to_its_end_leaves_it_in_force(scene: Scene) -> None:
    """A shutdown, or a new opt-out, while old lines are being skipped."""
    scene.marker.touch()
    scene.follow()
    scene.marker.unlink()
    scene.complete = False
    scene.follow()
    assert scene.in_force
    scene.complete = True
    scene.follow()
    assert not scene.in_force


def test_one_that_began_before_this_process_is_lifted_by_it(scene: Scene) -> None:
    """What was written while it was down is skipped too."""
    scene.marker.touch()
    scene.follow()
    scene.marker.unlink()
    scene.obedience = Obedience(scene.word, scene.store, scene.clock)
    scene.follow()
    assert len(scene.skipped) == 1
    assert not scene.in_force


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_purge_that_the_disk_refuses_is_tried_again(
    scene: Scene, when: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told once; nothing may leave meanwhile; it succeeds as soon as the disk lets it."""
    scene.marker.touch()
    scene.store.refuse = when
    for _ in range(3):
        scene.follow()
    assert not scene.word.allowed()
    scene.store.refuse = ""
    scene.follow()
    assert scene.in_force
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert events == ["purge_due", "opted_out"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_lifted_before_a_refused_purge_was_done_is_lifted_all_the_same(scene: Scene, when: str) -> None:
    """However little of it reached the disk, sending goes on afterwards, and what was written meanwhile is skipped."""
    scene.marker.touch()
    scene.store.refuse = when
    scene.follow()
    scene.marker.unlink()
    scene.store.refuse = "lift"
    scene.follow()
    scene.store.refuse = ""
    scene.follow()
    assert scene.skipped
    assert not scene.in_force
