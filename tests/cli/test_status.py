"""What `status` shows, with the daemon down or up: from the state and the disk, changing neither."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from extractor.clock import SystemClock
from extractor.status import writer_of
from extractor.store import Incident, Store
from tests.commands import LOGS, Shell, customer_line
from tests.storing import fact

ALL = ("--assume-time", "now", "--yes")


@contextmanager
def store_of(shell: Shell) -> Iterator[Store]:
    """The state of the shell's config, as its writer."""
    store = Store.open(shell.folder / "state", destination="stdout", clock=SystemClock())
    try:
        yield store
    finally:
        store.close()


def attention(shell: Shell) -> list[str]:
    """What needs a person, and the exit code agrees."""
    said = shell("status", "--json")
    words: list[str] = json.loads(said.out)["attention"]
    assert said.code == (1 if words else 0)
    return words


def test_without_a_state_it_says_that_nothing_has_run(shell: Shell) -> None:
    """Exit code 1, and no state is made by looking."""
    said = shell("status")
    assert said.code == 1
    assert "nothing has run with this state_dir yet" in said.err
    assert not (shell.folder / "state").exists()


def test_all_is_well_after_everything_was_delivered(shell: Shell) -> None:
    """Exit code 0; delivered events, files and rules with their last match are there."""
    shutil.copy(LOGS / "worker.log", shell.folder / "worker.log")
    shell("backfill", "worker.log", *ALL)
    said = shell("status")
    assert said.code == 0
    assert "delivered  15 events, now to stdout" in said.out
    assert "outbox     0 events wait" in said.out
    (row,) = [line for line in said.out.splitlines() if "lago/plan-created " in line]
    assert "ago)" in row


def test_rules_that_never_matched_are_named(shell: Shell) -> None:
    """Every enabled rule stands there: a stale or misspelt one must show."""
    shell.write("api.log", [customer_line("a")])
    shell("backfill", "api.log", *ALL)
    rules = {rule["rule"]: rule["last_at"] for rule in json.loads(shell("status", "--json").out)["rules"]}
    assert [rule for rule, at in rules.items() if at is not None] == ["lago/customer-created-rest"]
    assert len(rules) > 20


def test_lag_is_what_the_disk_says_while_the_daemon_is_down(shell: Shell) -> None:
    """A file that grew, and one that nobody has read yet, are behind by what they hold."""
    shell.write("api.log", [])
    with store_of(shell) as store:
        store.record([], [])
    shell.write("api.log", [customer_line("a")])
    size = (shell.folder / "api.log").stat().st_size
    report = json.loads(shell("status", "--json").out)
    (file,) = report["files"]
    assert (file["standing"], file["size"], file["offset"], file["lag"]) == ("new", size, 0, size)


def test_it_changes_nothing(shell: Shell) -> None:
    """No file of the state is touched by a look at it."""
    with store_of(shell) as store:
        store.record([], [fact("a")])
    before = {path.name: path.read_bytes() for path in (shell.folder / "state").iterdir()}
    assert shell("status").code == 0
    after = {
        path.name: path.read_bytes() for path in (shell.folder / "state").iterdir() if "-shm" not in path.name
    }
    assert {name: data for name, data in before.items() if "-shm" not in name}.items() <= after.items()


def test_it_works_while_a_writer_is_at_work_and_names_it(shell: Shell) -> None:
    """The lock is looked at, never tried: a starting daemon must not be kept from it."""
    if not Path("/proc/locks").exists():
        pytest.skip("this system does not list its locks")
    with store_of(shell) as store:
        store.record([], [fact("a")])
        said = shell("status")
        assert said.code == 0
        assert f"process {os.getpid()} is at work" in said.out
    assert "nothing is seen to run with it" in shell("status").out


def test_a_list_of_locks_is_read_to_the_process(tmp_path: Path) -> None:
    """Only the lock of this very file counts."""
    lock = tmp_path / "lock"
    lock.write_bytes(b"")
    status = lock.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    listed = tmp_path / "locks"
    listed.write_text(
        f"1: POSIX  ADVISORY  WRITE 1 {device}:{status.st_ino} 0 EOF\n"
        f"2: FLOCK  ADVISORY  WRITE 2 {device}:{status.st_ino}9 0 EOF\n"
        f"3: FLOCK  ADVISORY  WRITE 4711 {device}:{status.st_ino} 0 EOF\n"
    )
    assert writer_of(tmp_path, listed) == 4711


def test_a_hold_needs_a_person(shell: Shell) -> None:
    """With its reason and what waits."""
    with store_of(shell) as store:
        store.record([], [fact("a"), fact("b")])
        store.hold("unauthorized", 401)
    assert attention(shell) == ["delivery is held: unauthorized, HTTP status 401; 2 events wait"]


def test_dead_letters_need_a_person(shell: Shell) -> None:
    """With the command that shows them."""
    with store_of(shell) as store:
        store.record([], [fact("a")])
        store.bury(store.lease(1, 1000).events[0], reason="bad_request", status=400)
    assert attention(shell) == ["1 dead letters: see `extractor dead-letters list`"]


def test_a_full_outbox_needs_a_person(shell: Shell) -> None:
    """Reading pauses: that must not look like an idle app."""
    shell.write(
        "extractor.yaml", (shell.folder / "extractor.yaml").read_text() + "outbox: {max_events: 100}\n"
    )
    with store_of(shell) as store:
        store.record([], [fact(str(number)) for number in range(100)])
    assert attention(shell) == ["the outbox is full, so reading pauses until something is delivered"]


@pytest.mark.parametrize(
    ("kind", "lost", "age_s", "told"),
    [
        ("lost", 10, 60, True),
        ("unreadable", 0, 60, True),
        ("state_damaged", 0, 60, True),
        ("too_long", 0, 60, False),
        ("lost", 10, 25 * 3600, False),
    ],
)
def test_an_incident_needs_a_person_for_a_day(
    shell: Shell, kind: str, lost: int, age_s: float, told: bool
) -> None:
    """What was lost or could not be read alarms until somebody had a day to look; all of them stay listed."""
    with store_of(shell) as store:
        store.note([Incident(kind, time.time() - age_s, "/var/log/lago/api.log", lost)])
    assert attention(shell) == ([f"{kind}: /var/log/lago/api.log"] if told else [])
    assert kind in shell("status").out


def test_an_opt_out_is_told_loudly_and_is_no_problem(shell: Shell) -> None:
    """Since when and by what; it is wanted, so the exit code stays 0."""
    with store_of(shell) as store:
        store.opt_out("LAGO_DISABLE_SEGMENT")
    said = shell("status")
    assert said.code == 0
    assert "OPTED OUT  since 20" in said.out
    assert "by LAGO_DISABLE_SEGMENT" in said.out


def test_an_opt_out_that_nothing_runs_with_yet_is_told(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is set here and the state does not know of it: both are said."""
    with store_of(shell) as store:
        store.record([], [])
    monkeypatch.setenv("EXTRACTOR_DISABLED", "on")
    assert "OPTED OUT  EXTRACTOR_DISABLED opts out here" in shell("status").out


def test_a_hostile_file_name_moves_no_cursor(shell: Shell) -> None:
    """Paths are whatever the disk holds; JSON and text spell them safely."""
    shell.write(
        "extractor.yaml", (shell.folder / "extractor.yaml").read_text().replace("clock.log", "'*.txt'")
    )
    shell.write("a\x1b[2J\nb.txt", [customer_line("a")])
    with store_of(shell) as store:
        store.record([], [])
    out = shell("status").out
    assert "\x1b" not in out
    assert "a\\x1b[2J\\nb.txt" in out
    assert json.loads(shell("status", "--json").out)["files"][0]["path"].endswith("b.txt")


def test_watching_ends_with_an_interruption(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--watch` looks again and again, a JSON object a look for programs, until Ctrl-C, which is no failure."""
    with store_of(shell) as store:
        store.record([], [fact("a")])
    looks: list[None] = []

    def sleep(_: float) -> None:
        looks.append(None)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("extractor.cli.status.time.sleep", sleep)
    said = shell("status", "--watch", "--json")
    assert said.code == 0
    assert [json.loads(line)["outbox"]["events"] for line in said.out.splitlines()] == [1, 1, 1]
