"""What `preview` shows: all that would be sent, nothing else, in a form for eyes or for programs."""

import gzip
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from extractor.cli import table
from extractor.cli.table import wrap
from extractor.cli.terminal import printable
from tests.commands import LOGS, MEMBER, ORGANIZATION, Shell, customer_line


@pytest.fixture
def logs(shell: Shell) -> Shell:
    """The sample logs, where the config looks for them."""
    for path in LOGS.iterdir():
        shutil.copy(path, shell.folder / path.name)
    return shell


def test_nothing_is_written(logs: Shell) -> None:
    """A preview leaves the folder as it was: no state, no temporary file."""
    before = sorted(logs.folder.rglob("*"))
    assert logs("preview").code == 0
    assert sorted(logs.folder.rglob("*")) == before


def test_jsonl_names_the_line_and_the_rule_and_has_the_message(logs: Shell) -> None:
    """One object a line; the offset is where the line starts, in the uncompressed file."""
    said = logs("preview", "--format", "jsonl")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert len(rows) == 49
    for row in rows:
        assert row.keys() == {"origin", "rule", "message"}
        data = Path(row["origin"]["path"]).read_bytes()
        offset = row["origin"]["offset"]
        assert offset == 0 or data[offset - 1 : offset] == b"\n"
        assert data[offset : offset + 1] == b"{"
        assert row["message"]["type"] == "track"


def test_a_file_that_several_sources_match_is_read_once_by_the_first(shell: Shell) -> None:
    """Its lines are wrapped as the first source says, and no fact is shown twice."""
    shell.write("api.log", [customer_line("a"), customer_line("b")])
    shell.write(
        "extractor.yaml",
        "sources:\n  - {paths: ['*.log'], envelope: none}\n  - {paths: [api.log, './a*.log'], envelope: docker}\n",
    )
    assert len(shell("preview", "--format", "jsonl").out.splitlines()) == 2


def test_the_second_source_reads_what_the_first_leaves(shell: Shell) -> None:
    """A file that the first source excludes belongs to the next one that matches."""
    shell.write("api.log", [customer_line("a")])
    shell.write("worker.log", [customer_line("b")])
    shell.write(
        "extractor.yaml",
        "sources:\n  - {paths: ['*.log'], exclude: [worker.log], envelope: none}\n  - {paths: ['*.log']}\n",
    )
    rows = [json.loads(line) for line in shell("preview", "--format", "jsonl").out.splitlines()]
    assert [Path(row["origin"]["path"]).name for row in rows] == ["api.log", "worker.log"]


def test_configured_files_are_met_in_the_configured_order_each_after_its_rotated_siblings(
    shell: Shell,
) -> None:
    """`paths` decides the order of logs, age that within one log, compressed or not."""
    shell.write(
        "extractor.yaml",
        "sources: [{paths: ['worker.log*', 'api.log*']}]\n",
    )
    for number, name in enumerate(("api.log", "worker.log", "worker.log.1")):
        shell.write(name, [customer_line(str(number))])
    shell.write("worker.log.2.gz", gzip.compress(customer_line("old").encode() + b"\n"))
    rows = [json.loads(line) for line in shell("preview", "--format", "jsonl").out.splitlines()]
    names = [Path(row["origin"]["path"]).name for row in rows]
    assert names == ["worker.log.2.gz", "worker.log.1", "worker.log", "api.log"]


def test_a_hard_link_is_no_second_file(shell: Shell) -> None:
    """One file under two names is read once."""
    path = shell.write("api.log", [customer_line("a")])
    os.link(path, shell.folder / "worker.log")
    assert len(shell("preview", "--format", "jsonl").out.splitlines()) == 1


def test_a_missing_file_is_named(shell: Shell) -> None:
    """The next step is in the words: which file."""
    said = shell("preview", "missing.log")
    assert said.code == 1
    assert "missing.log: No such file or directory" in said.err


def test_a_note_tells_of_an_opt_out(logs: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown would not be sent, and by which variable."""
    monkeypatch.setenv("EXTRACTOR_DISABLED", "yes")
    assert logs("preview").err == "note: EXTRACTOR_DISABLED opts out: none of this would be sent\n"


@pytest.mark.parametrize("columns", ["80", "109", "110", "200"])
def test_the_table_fits_the_terminal(logs: Shell, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """No line is longer than the terminal is wide, and no property is missing for it."""
    monkeypatch.setenv("COLUMNS", columns)
    out = logs("preview").out
    assert max(map(len, out.splitlines())) <= int(columns)
    assert out.count("coupon_code=") == logs("preview", "--format", "jsonl").out.count('"coupon_code":')


def test_a_program_gets_a_plain_line_an_event(logs: Shell) -> None:
    """Where standard output is no terminal: no frame, no color, no line cut."""
    out = logs("preview").out
    assert "\x1b" not in out
    assert "─" not in out
    assert len([line for line in out.splitlines() if line[2:3] == ":"]) == 49


def test_ids_are_short_and_times_are_clocks(shell: Shell) -> None:
    """HH:MM:SS and eight characters; a time that is only the file's is marked."""
    path = shell.write("api.log", [customer_line("a")])
    os.utime(path, (1_600_000_000, 1_600_000_000))
    (row,) = [
        line for line in shell("preview").out.splitlines() if "customer_created" in line and ":" in line
    ]
    assert row.split() == ["12:26:40~", "customer_created", ORGANIZATION[:8], "nobody"]
    assert MEMBER.rpartition("/")[2][:8] not in row


def test_what_a_terminal_could_act_on_is_spelled_out(shell: Shell) -> None:
    """A hostile plan code moves no cursor."""
    escape = "\\u001b[2Jx\\u202e"
    line = (
        '{"controller":"Api::V1::CouponsController","action":"create","status":200,'
        f'"params":{{"coupon":{{"code":"{escape}"}}}},"organization_id":"{ORGANIZATION}"}}'
    )
    shell.write("api.log", [line])
    out = shell("preview").out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "coupon_code=\\x1b[2Jx\\u202e" in out
    whole = shell("preview", "--format", "jsonl").out
    assert "\u202e" not in whole
    assert json.loads(whole)["message"]["properties"]["coupon_code"] == "\x1b[2Jx\u202e"


def test_no_color_without_a_terminal_or_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR is obeyed on a terminal, too."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert table.Printer()._console is None


@given(st.text())
def test_nothing_printable_is_changed_and_nothing_else_is_left(text: str) -> None:
    """What comes out is printable, and printable text comes out as it is."""
    out = printable(text)
    assert out.isprintable()
    assert out == text or not text.isprintable()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text("ab é漢🚀", min_size=1, max_size=60), max_size=8), st.integers(4, 40))
def test_wrapping_loses_nothing_and_fits(units: list[str], width: int) -> None:
    """Every letter is shown, on lines that are no wider than asked, in cells of the terminal."""
    lines = wrap(units, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(units).replace(" ", "")
