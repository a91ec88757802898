"""What `explain` says of a line: where it stands, how it was read, which rule took it or which condition failed."""

import gzip
import io
import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.intake import Wrapping
from extractor.lines import LineReader
from extractor.source.spec import Limits
from tests.commands import LOGS, ORGANIZATION, Shell, customer_line

BORING = json.dumps({"controller": "HealthController", "action": "show"})


def coupon_line(code: str, *, status: int = 200) -> str:
    """A request that makes a coupon."""
    params = {"coupon": {"code": code, "name": "Welcome"}}
    return json.dumps(
        {
            "controller": "Api::V1::CouponsController",
            "action": "create",
            "status": status,
            "params": params,
            "organization_id": ORGANIZATION,
        },
        separators=(",", ":"),
    )


def docker(text: str, *, whole: bool = True, stream: str = "stdout") -> str:
    """A line, or a piece of one, as Docker wraps it."""
    log = text + ("\n" if whole else "")
    return json.dumps({"log": log, "stream": stream, "time": "2026-11-22T11:44:06.8Z"}, separators=(",", ":"))


def test_the_rule_that_matched_and_what_it_kept(shell: Shell) -> None:
    """Names of properties, and no value."""
    shell.write("api.log", [coupon_line("secret-coupon")])
    said = shell("explain", "api.log")
    assert said.code == 0
    assert said.out.splitlines() == [
        "line 1: bare, JSON",
        "  matched lago/coupon-created-rest: coupon_created",
        "    kept hosting_type",
        "    kept version",
        "    kept organization_id",
        "    kept coupon_code",
        "    kept coupon_name",
        "    an event only if it is the first for its organization_id, params.coupon.code",
    ]


def test_values_only_when_asked_for(shell: Shell) -> None:
    """`--show-values` shows what properties hold, with nothing in it that a terminal could act on."""
    shell.write("api.log", [coupon_line("bad\x1b[2J\u202ecode")])
    assert "code" not in shell("explain", "api.log").out.replace("coupon_code", "").replace("coupon.code", "")
    out = shell("explain", "api.log", "--show-values").out
    assert "kept coupon_code = bad\\x1b[2J\\u202ecode" in out
    assert "\x1b" not in out


def test_the_nearest_rules_with_the_condition_that_failed(shell: Shell) -> None:
    """A request that was refused: the rule, how far it came, and what did not hold."""
    shell.write("api.log", [coupon_line("x", status=422)])
    out = shell("explain", "api.log:1").out
    first = out.splitlines()[1]
    assert re.fullmatch(
        r"  not lago/coupon-created-rest: \d conditions hold, this does not: status .*200.*299", first
    )
    assert "matched" not in out


def test_a_value_that_was_left_out_says_why(shell: Shell) -> None:
    """The property and the reason, never the value."""
    shell.write("api.log", [coupon_line("write to jane@example.com")])
    out = shell("explain", "api.log").out
    assert "left out coupon_code: looks_private" in out
    assert "jane" not in out


def test_a_line_that_is_no_record_is_named_as_such(shell: Shell) -> None:
    """Banners are not JSON; that is said, not an error."""
    shell.write("api.log", ["=> Booting Puma", "[1]", BORING])
    assert shell("explain", "api.log", "--all").out.splitlines() == [
        "line 1: bare, not JSON",
        "line 2: bare, JSON, but no object",
        "line 3: bare, JSON",
        "  no rule comes near",
    ]


def test_without_all_only_lines_that_matched_are_shown(shell: Shell) -> None:
    """And where there is none, one sentence says so."""
    shell.write("api.log", ["=> Booting Puma", BORING])
    assert shell("explain", "api.log").out == "no rule matched any of 2 lines; --all explains each of them\n"


def test_a_line_that_is_not_there_is_a_problem(shell: Shell) -> None:
    """Exit code 1, with the file and the number."""
    shell.write("api.log", [BORING])
    said = shell("explain", "api.log:7")
    assert (said.code, said.err) == (1, "extractor: api.log has no line 7 (or it is empty)\n")


def test_a_file_whose_name_ends_in_a_number_is_a_file(shell: Shell) -> None:
    """`api.log:1` is that file, if there is one."""
    shell.write("api.log:1", [coupon_line("a"), coupon_line("b")])
    assert shell("explain", "api.log:1").out.count("matched") == 2


def test_line_numbers_hold_across_chunks(shell: Shell) -> None:
    """A file of many buffers, with empty lines, CRLF, a hole of NULs and lines that are too long between."""
    filler = "x" * 999
    lines = [filler] * 15_000
    lines[4_000] = ""
    lines[4_001] = coupon_line("a") + "\r"
    lines[9_000] = "y" * 3_000_000
    lines[9_500] = "\0" * 70_000 + coupon_line("b")
    lines[14_000] = coupon_line("c")
    path = shell.write("api.log", lines)
    out = shell("explain", "api.log").out
    assert re.findall(r"^lines? (\S+):", out, re.MULTILINE) == ["4002", "9501", "14001", "9001"]
    assert "line 9001: longer than max_line_bytes" in out
    path.with_name("api.log.1.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert shell("explain", "api.log.1.gz").out == out


@given(st.lists(st.sampled_from(["", "x", "=> Booting", "y" * 40]), max_size=30), st.booleans())
def test_numbers_are_those_of_an_editor(lines: list[str], ended: bool) -> None:
    """Line n of the reader is line n of the file, for a file and for a stream."""
    text = "\n".join(lines) + ("\n" if ended else "")
    limits = Limits(max_line_bytes=20)
    reader = LineReader(Wrapping(), limits)
    read = [one.first for one in reader.read_stream(io.BytesIO(text.encode()))]
    short = [number for number, line in enumerate(text.split("\n"), 1) if line and len(line) <= 20]
    assert read == short
    assert reader.too_long == [number for number, line in enumerate(text.split("\n"), 1) if len(line) > 20]


def test_docker_is_named_with_its_stream_and_pieces(shell: Shell) -> None:
    """A line that Docker cut stands on several; any of their numbers finds it."""
    line = coupon_line("a")
    pieces = [docker(line[:50], whole=False), docker("noise", stream="stderr"), docker(line[50:])]
    shell.write("api.log", [docker(BORING), *pieces, docker(coupon_line("b"))])
    out = shell("explain", "api.log").out
    assert "lines 2-4: docker, stdout in 2 pieces, JSON" in out
    assert "line 5: docker, stdout, JSON" in out
    for number in (2, 4):
        assert "lines 2-4:" in shell("explain", f"api.log:{number}").out


def test_cri_is_named(shell: Shell) -> None:
    """Kubernetes' own notation, pieces too."""
    line = coupon_line("a")
    stamp = "2026-11-22T11:44:06.8Z stdout"
    shell.write("0.log", [f"{stamp} P {line[:50]}", f"{stamp} F {line[50:]}"])
    assert "lines 1-2: cri, stdout in 2 pieces, JSON" in shell("explain", "0.log").out


def test_a_line_that_its_source_does_not_want_says_so(shell: Shell) -> None:
    """`where` leaves out a stream: the explanation still tells what the rules would do."""
    shell.write("extractor.yaml", "sources: [{paths: [api.log], where: {stream: stderr}}]\n")
    shell.write("api.log", [docker(coupon_line("a"))])
    out = shell("explain", "api.log").out
    assert "not read: its source's `where` does not want it" in out
    assert "matched lago/coupon-created-rest" in out


def test_standard_input_line_by_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tail -f | explain -`: bare and wrapped lines, each speaking for itself."""
    text = "\n".join([coupon_line("a"), docker(coupon_line("b")), "not JSON", coupon_line("c")])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    out = shell("explain", "-", "--all").out
    assert re.findall(r"^line .*$", out, re.MULTILINE) == [
        "line 1: bare, JSON",
        "line 2: docker, stdout, JSON",
        "line 3: bare, not JSON",
        "line 4: bare, JSON",
    ]


def test_a_broken_envelope_is_named(shell: Shell) -> None:
    """A source that is said to be Docker's, with a line that is not."""
    shell.write("extractor.yaml", "sources: [{paths: [api.log], envelope: docker}]\n")
    shell.write("api.log", [docker(BORING), "oops"])
    assert "line 2: not what the envelope docker looks like" in shell("explain", "api.log:2").out


def test_what_it_matches_is_what_preview_finds(shell: Shell) -> None:
    """Every line with an event in a preview of the sample logs is one that `explain` says matched."""
    shell.write("api.log", (LOGS / "api.log").read_bytes())
    rows = [json.loads(row) for row in shell("preview", "--format", "jsonl").out.splitlines()]
    data = (LOGS / "api.log").read_bytes()
    expected = {data[: row["origin"]["offset"]].count(b"\n") + 1 for row in rows}
    said = shell("explain", str(Path("api.log"))).out
    matched = {int(found) for found in re.findall(r"^line (\d+):", said, re.MULTILINE)}
    assert expected
    assert expected <= matched
    assert customer_line("x") not in said
