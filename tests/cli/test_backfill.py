"""Whole files into the state that the daemon uses: read once, sent once, and never without a word about their time."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from extractor import wiring
from extractor.config import load_config
from extractor.store import Store
from extractor.whole.backfill import AssumeTime, Backfill, Ended, Step
from extractor.whole.reader import RECORD_EVERY_BYTES
from tests.commands import LOGS, Shell, customer_line
from tests.misbehaving import Answer, MisbehavingServer
from tests.storing import FakeClock

SAY_ALL = ("--assume-time", "mtime", "--yes")


def ids_of(text: str) -> list[str]:
    """Message ids of what was printed, a message a line."""
    return [json.loads(line)["messageId"] for line in text.splitlines()]


def previewed(shell: Shell, *files: str) -> list[str]:
    """Message ids that a preview gives."""
    said = shell("preview", "--format", "jsonl", *files)
    return [json.loads(line)["message"]["messageId"] for line in said.out.splitlines()]


def test_it_sends_what_preview_shows_once(shell: Shell) -> None:
    """The same ids, each once; the second time nothing is left to send."""
    for name in ("api.log", "worker.log"):
        shutil.copy(LOGS / name, shell.folder / name)
    expected = previewed(shell, "api.log", "worker.log")
    first = shell("backfill", "api.log", "worker.log", *SAY_ALL)
    assert first.code == 0
    assert len(expected) > 40
    assert ids_of(first.out) == expected
    second = shell("backfill", "api.log", "worker.log", *SAY_ALL)
    assert (second.code, second.out) == (0, "")


def test_a_compressed_copy_of_what_was_sent_sends_nothing(shell: Shell) -> None:
    """A fact met again in another file, under another name and compressed, is the same fact."""
    shell.write("api.log", (LOGS / "api.log").read_bytes())
    shell.write("api.log.1.gz", gzip.compress((LOGS / "api.log").read_bytes()))
    assert shell("backfill", "api.log", *SAY_ALL).out != ""
    again = shell("backfill", "api.log.1.gz", *SAY_ALL)
    assert (again.code, again.out) == (0, "")


def test_rotated_siblings_are_read_oldest_first(shell: Shell) -> None:
    """Lines meet memory in the order in which they were written, in whatever order the files were named."""
    shell.write("api.log.2", [customer_line("a")])
    shell.write("api.log.1", [customer_line("b")])
    shell.write("api.log", [customer_line("a"), customer_line("c")])
    said = shell("preview", "--format", "jsonl", "api.log", "api.log.1", "api.log.2")
    origins = [json.loads(line)["origin"]["path"] for line in said.out.splitlines()]
    assert [Path(path).name for path in origins] == ["api.log.2", "api.log.1", "api.log"]
    assert ids_of(shell("backfill", "api.log", "api.log.1", "api.log.2", *SAY_ALL).out) == previewed(
        shell, "api.log.2", "api.log.1", "api.log"
    )


def test_lines_without_a_time_need_a_word_about_it(shell: Shell) -> None:
    """Neither a time nor the sending of events without one is decided for the operator; nothing is stored before."""
    shell.write("api.log", [customer_line("a")])
    said = shell("backfill", "api.log")
    assert said.code == 2
    assert "1 of up to 1 events come from lines that carry no time" in said.err
    assert "--assume-time mtime (their file's last change) or --assume-time now and --yes" in said.err
    assert shell("sent").out.startswith("      0 events")
    assert "nothing was read or sent; say --yes" in shell("backfill", "api.log", "--assume-time", "now").err


def test_an_old_event_needs_a_yes(shell: Shell) -> None:
    """An event of more than 72 h ago is sent only when the operator says so, time or no time assumed."""
    worker = (LOGS / "worker.log").read_text(encoding="utf-8").replace('"2026-11-22T', '"2020-01-02T')
    shell.write("worker.log", worker)
    said = shell("backfill", "worker.log")
    assert said.code == 2
    assert "the oldest of up to 15 events is of 2020-01-02" in said.err
    assert "say --yes to go on" in said.err
    done = shell("backfill", "worker.log", "--yes")
    assert (done.code, len(ids_of(done.out))) == (0, 15)


@pytest.mark.parametrize("assume", ["mtime", "now"])
def test_the_time_of_a_line_without_one_is_what_was_said(shell: Shell, assume: str) -> None:
    """The file's last change, or now."""
    path = shell.write("api.log", [customer_line("a")])
    os.utime(path, (1_600_000_000, 1_600_000_000))
    said = shell("backfill", "api.log", "--assume-time", assume, "--yes")
    was_mtime = json.loads(said.out)["timestamp"].startswith("2020-09-13T12:26:40")
    assert was_mtime is (assume == "mtime")


def test_a_file_that_cannot_be_read_stops_no_other(shell: Shell) -> None:
    """It is named, the exit code says so, and the others are read."""
    shell.write("api.log", [customer_line("a")])
    said = shell("backfill", "missing.log", "api.log", *SAY_ALL)
    assert said.code == 1
    assert "missing.log: No such file or directory" in said.err
    assert len(ids_of(said.out)) == 1


def test_an_unknown_compression_is_named_with_the_next_step(shell: Shell) -> None:
    """No other file waits for it; a preview of it alone says the same."""
    shell.write("api.log.1.zst", b"\x28\xb5\x2f\xfd" + bytes(20))
    shell.write("api.log", [customer_line("a")])
    said = shell("backfill", "api.log.1.zst", "api.log", *SAY_ALL)
    assert (said.code, len(ids_of(said.out))) == (1, 1)
    for err in (said.err, shell("preview", "api.log.1.zst").err):
        assert "api.log.1.zst: compressed as zstd, which cannot be read here: decompress it first" in err


def test_a_compressed_file_cut_short_gives_what_comes_before(shell: Shell) -> None:
    """What can be inflated is read, and an incident says that the file is broken."""
    lines = "".join(
        f"{customer_line(f'customer-{number}-{number * 7919 % 10007}')}\n" for number in range(500)
    )
    whole = gzip.compress(lines.encode())
    shell.write("api.log.1.gz", whole[: len(whole) // 2])
    said = shell("backfill", "api.log.1.gz", *SAY_ALL)
    assert 0 < len(ids_of(said.out)) < 500
    assert "broken" in shell("status").out


def test_it_refuses_while_another_writes(shell: Shell) -> None:
    """A daemon at work keeps its state; the message names its process."""
    shell.write("api.log", [customer_line("a")])
    holder = Store.open(shell.folder / "state", destination="stdout", clock=FakeClock())
    try:
        said = shell("backfill", "api.log", *SAY_ALL)
    finally:
        holder.close()
    assert said.code == 1
    assert f"in use by another extractor (pid {os.getpid()})" in said.err


def test_opted_out_nothing_is_read_sent_or_stored(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under an opt-out a backfill refuses by name; what it would have read stays unread."""
    shell.write("api.log", [customer_line("a")])
    monkeypatch.setenv("LAGO_DISABLE_SEGMENT", "true")
    said = shell("backfill", "api.log", *SAY_ALL)
    assert (said.code, said.out) == (1, "")
    assert "LAGO_DISABLE_SEGMENT opts out" in said.err


def test_an_opt_out_that_nobody_lifted_in_the_state_still_holds(shell: Shell) -> None:
    """The variable is gone, but what was logged meanwhile was not skipped yet: only `run` lifts it."""
    shell.write("api.log", [customer_line("a")])
    store = Store.open(shell.folder / "state", destination="stdout", clock=FakeClock())
    store.opt_out("LAGO_DISABLE_SEGMENT")
    store.close()
    said = shell("backfill", "api.log", *SAY_ALL)
    assert (said.code, said.out) == (1, "")


def test_what_was_logged_under_an_opt_out_is_not_brought_back(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from the live file after the opt-out was lifted, and not from a compressed copy of it."""
    log = customer_line("before") + "\n"
    shell.write("api.log", log)
    assert len(ids_of(shell("run", "--once").out)) == 1
    monkeypatch.setenv("LAGO_DISABLE_SEGMENT", "true")
    log += customer_line("meanwhile") + "\n"
    shell.write("api.log", log)
    assert shell("run", "--once").out == ""
    monkeypatch.delenv("LAGO_DISABLE_SEGMENT")
    assert shell("run", "--once").out == ""
    shell.write("api.log.1.gz", gzip.compress(log.encode()))
    assert (said := shell("backfill", "api.log.1.gz", *SAY_ALL)).code == 0
    assert said.out == ""
    shell.write("api.log", log + customer_line("after") + "\n")
    assert len(ids_of(shell("run", "--once").out)) == 1


def backfill_of(shell: Shell, stop: threading.Event) -> Backfill:
    """The writer of the shell's state."""
    config = load_config(shell.folder / "extractor.yaml", {})
    return Backfill(config, wiring.build_rules(config), {}, stop=stop)


def large_log(shell: Shell) -> Path:
    """A log that takes three transactions, an event in each."""
    filler = "x" * 200_000 + "\n"
    part = filler * (RECORD_EVERY_BYTES // len(filler))
    return shell.write("api.log", "".join(f"{customer_line(name)}\n{part}" for name in "abc"))


def test_interrupted_it_goes_on_where_it_was(shell: Shell) -> None:
    """What was recorded before the interruption is not read again, and what was not is."""
    path = large_log(shell)
    stop = threading.Event()
    with backfill_of(shell, stop) as backfill:
        ended = backfill.fill(backfill.files([str(path)]), assume=AssumeTime.NOW, listen=lambda _: stop.set())
        assert ended is Ended.INTERRUPTED
        assert backfill.store.status().outbox_rows in (1, 2)
    steps: list[Step] = []
    with backfill_of(shell, threading.Event()) as backfill:
        assert (
            backfill.fill(backfill.files([str(path)]), assume=AssumeTime.NOW, listen=steps.append)
            is Ended.DONE
        )
        assert backfill.store.status().outbox_rows == 3
    assert sum(step.events for step in steps) < 3


def test_an_opt_out_in_the_middle_purges_and_stops(shell: Shell) -> None:
    """A touch of OPT_OUT takes effect at the next transaction: what waited is gone."""
    path = large_log(shell)
    with backfill_of(shell, threading.Event()) as backfill:
        marker = shell.folder / "state" / "OPT_OUT"
        ended = backfill.fill(
            backfill.files([str(path)]), assume=AssumeTime.NOW, listen=lambda _: marker.touch()
        )
        assert ended is Ended.OPTED_OUT
        status = backfill.store.status()
        assert (status.outbox_rows, status.opt_out is not None) == (0, True)


def test_a_full_outbox_is_delivered_before_reading_goes_on(shell: Shell) -> None:
    """Nothing is shed, and nothing waits for a daemon: 300 events through an outbox of 100."""
    config = (shell.folder / "extractor.yaml").read_text(encoding="utf-8")
    shell.write("extractor.yaml", config + "outbox: {max_events: 100}\n")
    names = []
    for number in range(3):
        names.append(f"{number}.log")
        shell.write(names[-1], [customer_line(f"{number}-{one}") for one in range(100)])
    said = shell("backfill", *names, *SAY_ALL)
    assert said.code == 0
    assert len(set(ids_of(said.out))) == 300


def test_where_files_begin_is_not_decided_by_a_backfill(shell: Shell) -> None:
    """With `start_at: end`, what live files held at the first start is skipped, though a backfill came before it."""
    shell.write(
        "extractor.yaml",
        (shell.folder / "extractor.yaml").read_text().replace("log]}", "log], start_at: end}"),
    )
    shell.write("api.log", [customer_line("held before the first start")])
    shell.write("old.log", [customer_line("backfilled")])
    assert len(ids_of(shell("backfill", "old.log", *SAY_ALL).out)) == 1
    (file,) = json.loads(shell("status", "--json").out)["files"][:1]
    assert (file["standing"], file["lag"], file["offset"] > 0) == ("followed", 0, True)


def test_a_server_gets_each_event_once(shell: Shell) -> None:
    """Over the network, through the second gate: the ids of a preview, and nothing the second time."""
    shutil.copy(LOGS / "worker.log", shell.folder / "worker.log")
    expected = previewed(shell, "worker.log")
    with MisbehavingServer() as server:
        segment = f'destination: {{segment: {{host: "{server.url}", write_key: key}}}}\n'
        shell.write("extractor.yaml", (shell.folder / "extractor.yaml").read_text() + segment)
        for _ in range(2):
            assert shell("backfill", "worker.log", *SAY_ALL).code == 0
        assert [one for request in server.requests for one in request.ids] == expected


def test_where_an_opt_outs_ids_were_lost_nothing_old_is_read(shell: Shell) -> None:
    """A damaged state has forgotten what an opt-out suppressed: no backfill may bring it out."""
    shell.write("api.log", [customer_line("a")])
    store = Store.open(shell.folder / "state", destination="stdout", clock=FakeClock())
    store.opt_out("LAGO_DISABLE_SEGMENT")
    store.opt_in()
    store.close()
    (shell.folder / "state" / "state.db").write_bytes(b"")
    said = shell("backfill", "api.log", *SAY_ALL)
    assert (said.code, said.out) == (1, "")
    assert "nothing old is read" in said.err


def test_held_delivery_leaves_the_events_waiting(shell: Shell) -> None:
    """A refusing server ends the backfill with 1; the daemon delivers what waits, `status` says why it waits."""
    shell.write("api.log", [customer_line("a")])
    with MisbehavingServer(lambda _: Answer(status=401)) as server:
        segment = f'destination: {{segment: {{host: "{server.url}", write_key: key}}}}\n'
        shell.write("extractor.yaml", (shell.folder / "extractor.yaml").read_text() + segment)
        said = shell("backfill", "api.log", *SAY_ALL)
    assert said.code == 1
    assert "the destination takes nothing now; what was read waits" in said.err
    status = shell("status")
    assert status.code == 1
    assert "ATTENTION  delivery is held: unauthorized, HTTP status 401; 1 events wait" in status.out


def test_sigterm_ends_it_with_a_word_on_how_to_go_on(shell: Shell) -> None:
    """The real process, told to stop while a server lets it wait, leaves its events in the state."""
    shell.write("api.log", [customer_line("a")])
    asked = threading.Event()

    def answer(_: object) -> Answer:
        asked.set()
        return Answer(status=503)

    with MisbehavingServer(answer) as server:
        segment = f'destination: {{segment: {{host: "{server.url}", write_key: key}}}}\n'
        shell.write("extractor.yaml", (shell.folder / "extractor.yaml").read_text() + segment)
        process = subprocess.Popen(
            [sys.executable, "-m", "extractor", "backfill", "api.log", *SAY_ALL],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert asked.wait(30)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "interrupted; the same command goes on from here" in err
    assert json.loads(shell("status", "--json").out)["outbox"]["events"] == 1
