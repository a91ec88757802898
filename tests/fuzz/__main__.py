"""Fuzzes each decoder and the whole path: `python -m tests.fuzz [--seconds 600] [TARGET ...]`.

Needs `atheris` (the dependency group `fuzz`). Starts from lines of the samples. An input that breaks a law, takes
over 10 s or 2 GB is written to `tests/fuzz/found/TARGET/`, where `tests/fuzz/test_found.py` tries it from then on:
commit it together with what mends it.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import ROOT, TARGETS

FOUND = Path(__file__).parent / "found"
MAX_BYTES = 16 * 1024
"""Of one input; what only longer ones do is the matter of `tests/test_hostile_lines.py` and `tests/test_linear.py`."""

BOUNDS = (
    f"-max_len={MAX_BYTES}",
    "-timeout=10",
    "-rss_limit_mb=2048",
    "-print_final_stats=1",
    "-verbosity=0",
    "-close_fd_mask=0",
)
STATS = (r"number_of_executed_units: (\d+)", r"average_exec_per_sec: +(\d+)")


def write_dictionary(path: Path) -> None:
    """Words that a fuzzer would not guess: all that stands between quotes in the samples and the pack."""
    text = b"\n".join(
        [*TARGETS["line"].seeds(), *TARGETS["ruby"].seeds(), (ROOT / "rules" / "lago.yaml").read_bytes()]
    )
    words = {
        *re.findall(rb"[A-Za-z_:]{3,40}", text),
        b"#<GlobalID:0x1 @uri=#<URI::GID gid://a/B/1>>",
        b"=>",
        b"\\\\u",
    }
    path.write_text("".join(f'"{word.decode()}"\n' for word in sorted(words)), encoding="ascii")


def run_one(name: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    """Start libFuzzer on a target: for some time, or once on a given input."""
    command = [sys.executable, "-m", "tests.fuzz.one", name, *map(str, arguments), *BOUNDS]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False)


def was_only_interrupted(name: str, kept: Path) -> bool:
    """Whether an input that "took too long" is fast by itself: the machine slept, or somebody stopped it."""
    if not kept.name.startswith(("timeout-", "slow-unit-")) or run_one(name, kept).returncode:
        return False
    kept.unlink()
    return True


def fuzz(name: str, seconds: int) -> bool:
    """Fuzz one target for so long, interruptions left out; whether all went well."""
    found = FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    before = set(found.glob("*"))
    tried, spent, pauses = 0, 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        corpus, dictionary = Path(folder, "corpus"), Path(folder, "words")
        corpus.mkdir()
        write_dictionary(dictionary)
        for number, seed in enumerate(TARGETS[name].seeds()):
            (corpus / f"seed-{number}").write_bytes(seed[:MAX_BYTES])
        while True:
            left = max(int(seconds - spent), 1)
            done = run_one(
                name, corpus, f"-dict={dictionary}", f"-max_total_time={left}", f"-artifact_prefix={found}/"
            )
            said = done.stderr.decode("utf-8", "replace")
            units, rate = (int(told[1]) if (told := re.search(one, said)) else 0 for one in STATS)
            tried += units
            spent += units / rate if rate else left
            finds = sorted(set(found.glob("*")) - before)
            kept = [path for path in finds if not was_only_interrupted(name, path)]
            interrupted = bool(finds) and not kept
            pauses += interrupted
            if not interrupted or spent >= seconds:
                break
    names = ", ".join(path.name for path in kept) or "nothing found"
    print(f"{name}: {tried} inputs in {spent:.0f} s, {pauses} interruptions, {names}", flush=True)
    failed = bool(kept) or (done.returncode != 0 and not interrupted)
    if failed:
        print(done.stdout.decode("utf-8", "replace")[-3000:], said[-3000:], flush=True)
    if not any(found.iterdir()):
        found.rmdir()
    return not failed


def main() -> int:
    """Exit code 1: something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for each target (default: 600)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    chosen = parser.parse_args()
    results = [fuzz(name, chosen.seconds) for name in chosen.targets or TARGETS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
