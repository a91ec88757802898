"""Counts instructions of the worst inputs we know, at one size and at twice that: `python bench/linear.py`.

Every decoder, the checks of texts, `evaluate` and the whole path must take at most 2.5 times the instructions for
twice the input. Instructions are counted by `valgrind --tool=callgrind`, so a busy machine changes nothing. A case that
is quadratic on purpose shows that the measure measures. Exit code 1: one of them is not as it should be; 3: there is
no valgrind.
"""

import argparse
import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST = 2.5
BASE = 150
"""Repetitions in the smaller input: enough that what does not grow stays far below the rest."""
PATIENCE_S = 300.0
CONTROL = "quadratic, to compare"

Case = tuple[Callable[[int], object], Callable[[object], object]]


def cases() -> dict[str, Case]:
    """Name to: the input of so many repetitions, and what is done with it."""
    from tests.fuzz import targets  # noqa: PLC0415 - imported in the measured process only

    def of_text(run: Callable[[bytes], None], build: Callable[[int], str]) -> Case:
        return lambda size: build(size).encode(), run  # type: ignore[return-value]

    def repeated(part: str, head: str = "", tail: str = "") -> Callable[[int], str]:
        return lambda size: head + part * size + tail

    def line(part: str, head: str, tail: str) -> Callable[[int], str]:
        return lambda size: head + part * size + tail

    job = '{"job":"SegmentTrackJob","job_id":"a","arguments":"'
    fees = '{"controller":"Api::V1::InvoicesController","action":"create","status":200,"organization_id":"0eb22b12-d903-4cfa-b55f-77e5847bf330","params":{"invoice":{"fees":['
    ruby = {
        "strings": repeated('"a\\\\n", ', tail="1"),
        "an open string": repeated("\\n", head='"'),
        "quotes": repeated('"'),
        "lists": repeated("[1], ", tail="1"),
        "depth": repeated("[", tail="1"),
        "hashes": repeated('a: "b", ', head="{", tail="c: 1}"),
        "arrows": repeated("=>"),
        "keys with arrows": repeated(":a=>1, ", head="{", tail=":b=>2}"),
        "objects": repeated("#<A "),
        "objects that close": repeated("#<A =>", tail=">"),
        "GlobalIDs": repeated("#<GlobalID:0x1 @uri=#<URI::GID gid://a/B/1>>, ", tail="1"),
        "durations": repeated("1 year, "),
        "digits": repeated("1"),
        "bytes": repeated("\\xe9", head='"', tail='"'),
        "code points": repeated("\\u{1F600 41}", head='"', tail='"'),
        "plain until the end": repeated("1, ", tail="#"),
        "names": repeated("ä"),
    }
    graphql = {
        "depth": lambda size: "{a" * size + "}" * size,
        "open": repeated("{"),
        "fields": repeated("a:b(c:$d) ", head="{", tail="}"),
        "operations": repeated("query a{b}"),
        "strings": repeated('"', head="{a(b:", tail="}"),
        "comments": repeated("#"),
        "an open comment block": repeated('\\"""', head='{"""', tail="}"),
        "spreads": repeated("...", head="{", tail="}"),
    }
    private = {
        "digits": repeated("1 "),
        "pluses": repeated("+1"),
        "at signs": repeated("a @"),
        "spelt at signs": repeated("a at b "),
        "tokens": repeated("key="),
        "one long token": repeated("a1B2", head="sk_"),
        "IBAN": repeated("DE89 3704 "),
        "money": repeated("1,", tail="x"),
        "invisible": repeated("\u200b1"),
        "UUIDs": repeated("aaaaaaaa-"),
        "dates": repeated("2026-01-"),
    }
    json = {
        "depth": repeated('{"a":'),
        "depth in a string": repeated("{", head='{"a":"', tail='"}'),
        "backslashes": repeated("\\\\", head='{"a":"' + "{" * 200, tail='"}'),
        "keys": lambda size: "{" + ",".join(f'"{number}":1' for number in range(size)) + "}",
    }
    lines = {
        "fees": line('{"add_on_code":"a","units":1},', fees, "1]}}}"),
        "no fees": line("{},", fees, "1]}}}"),
        "arguments": line("a: 1, ", job + "{", 'event: 1}"}'),
        "a text that is checked": line(
            "a @", job + '{event: \\"plan_created\\", properties: {name: \\"', '\\"}}"}'
        ),
        "many keys": lambda size: (
            "{" + "".join(f'"{n}":1,' for n in range(size)) + '"job":"SegmentTrackJob"}'
        ),
    }
    wrapped = '{"log":"x","stream":"stdout","time":"2026-11-22T10:00:00Z"}\n'
    path = {
        "lines of no rule": repeated("\0" + "x\n"),
        "candidates": repeated('"SegmentTrackJob"\n', head="\1"),
        "pieces": repeated(wrapped, head="\2"),
        "pieces in CRI": repeated("2026-11-22T10:00:00Z stdout P x\n", head="\3"),
        "newlines": repeated("\n", head="\0"),
        "holes": repeated("\0", head="\1"),
    }
    found: dict[str, Case] = {}
    for name, run, inputs in (
        ("ruby", targets.run_ruby, ruby),
        ("graphql", targets.run_graphql, graphql),
        ("private text", targets.run_private, private),
        ("json", targets.run_json, json),
        ("evaluate", targets.run_evaluate, lines),
        ("path", targets.run_intake, path),
        (
            "envelope",
            targets.run_envelope,
            {"attributes": repeated('"a":"b",', '{"log":"x","attrs":{', '"c":"d"}}')},
        ),
        ("lines", targets.run_lines, {"newlines": repeated("\n"), "lines": repeated("a\n")}),
        (
            "pieces",
            targets.run_pieces,
            {"of one line": repeated("\1a\n"), "of three": repeated("\0a\n\1b\n\2c\n")},
        ),
    ):
        found |= {f"{name}: {about}": of_text(run, build) for about, build in inputs.items()}
    found[CONTROL] = (lambda size: size, lambda size: [0 for _ in range(int(str(size)) ** 2 // 8)])
    return found


def measure(names: list[str], go: Path) -> None:
    """In the measured process: each input twice, and a mark before and after each."""
    chosen = {name: case for name, case in cases().items() if name in names}
    for build, run in chosen.values():
        run(build(BASE + 1))  # what is made at first use, and kept answers, are not what is counted
    gc.disable()
    print("ready", flush=True)
    while not go.exists():
        time.sleep(0.02)
    for build, run in chosen.values():
        for size in (BASE, 2 * BASE):
            given = build(size)
            os.getloadavg()  # callgrind writes down, and forgets, what it counted until here
            run(given)
            os.getloadavg()


def count(names: list[str]) -> dict[str, tuple[int, int]]:
    """Instructions at one size and at twice that, for each case."""
    with tempfile.TemporaryDirectory() as folder:
        out, go = Path(folder, "out"), Path(folder, "go")
        process = subprocess.Popen(
            [
                "valgrind",
                "--tool=callgrind",
                "--instr-atstart=no",
                "--dump-before=getloadavg",
                f"--callgrind-out-file={out}",
                f"--vgdb-prefix={folder}/vgdb",
                sys.executable,
                __file__,
                "--measured",
                str(go),
                *names,
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                raise SystemExit(process.communicate()[1].decode("utf-8", "replace")[-2000:])
            # Counting from the start would take most of a minute for imports alone.
            subprocess.run(
                ["vgdb", f"--vgdb-prefix={folder}/vgdb", f"--pid={process.pid}", "instrumentation", "on"],
                check=True,
                capture_output=True,
                timeout=60,
            )
            go.touch()
            process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
            process.wait()
        dumps = sorted(Path(folder).glob("out.*"), key=lambda dump: int(dump.suffix[1:]))
        counted = [
            int(found[1])
            for dump in dumps
            if (found := re.search(r"^totals: (\d+)", dump.read_text(), re.MULTILINE))
        ]
    # Every second one lies between two measured ones.
    between = iter(counted[1::2])
    return dict(zip(names, zip(between, between, strict=False), strict=True))


def report(counted: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """A line for each case that is not as it should be; prints all of them."""
    for name, (once, twice) in counted.items():
        ratio = twice / once
        fine = ratio > MOST if name == CONTROL else ratio <= MOST
        print(f"{'' if fine else 'NOT '}{name:45} {once:>12,} {twice:>12,} {ratio:6.2f}")
        if not fine:
            yield name


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python bench/linear.py", description=__doc__)
    parser.add_argument("--measured", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", metavar="CASE")
    chosen = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    names = [name for name in cases() if not chosen.names or name in chosen.names]
    if chosen.measured is not None:
        measure(names, chosen.measured)
        return 0
    if shutil.which("valgrind") is None or shutil.which("vgdb") is None:
        print("skipped: there is no valgrind here")
        return 3
    return 1 if list(report(count(names))) else 0


if __name__ == "__main__":
    sys.exit(main())
