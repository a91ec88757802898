"""Makes logs of any size out of captured lines: every matching line a fact of its own, every id known beforehand.

A matching line is a captured line that gives an event, with its ids (job, invoice, customer, subscription, codes)
written anew. All other lines are captured too, in their captured mix: ingestion, post-processing, usage, webhooks and
GraphQL queries without end; and, for each matching line, as many of the requests that come with setting things up
and show nothing (refused ones, updates, lists) as were captured for each. The same seed gives the same bytes.
"""

import argparse
import hashlib
import json
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import accumulate, count, islice
from pathlib import Path

import orjson

from extractor import rulepacks
from extractor.config import load_config
from extractor.decode.assemble import Logical
from extractor.ruleset.evaluate import Origin, evaluate
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.outcome import Memo, resolve
from extractor.ruleset.prefilter import Pieces, build_scanner, derive_literals
from extractor.ruleset.rule import RuleSet
from extractor.wiring import build_rules

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "tests" / "data"
FOLDER = Path(tempfile.gettempdir()) / "extractor-bench"
INSTALLATION = "bench-installation"
ID_BYTES = 24

POOL_BYTES = 48 << 20
"""Other lines are written from a pool of so many bytes, again and again: far more than any cache holds."""
LONG_EVERY = 4000
"""One line in so many is longer than 16 kB: a batch of usage events, a customer with much metadata."""
PIECE_BYTES = 16 * 1024
"""Docker and containerd cut a line after so many bytes."""
ORGANIZATIONS = 50

_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VARIABLE = re.compile(
    rb'(?P<organization>(?<=organization_id":")UUID|(?<=organization_id: \\")UUID|(?<=organization_id=\\u003e\\")UUID'
    rb"|(?<=webhooks/stripe/)UUID)"
    rb"|(?P<member>(?<=membership/)UUID)"
    rb"|(?P<id>UUID)"
    rb"|(?<=_)(?P<run>[0-9a-f]{4})(?=[_\"\\])".replace(b"UUID", _UUID.pattern)
)
_STEADY_REQUEST = re.compile(rb'"controller":"[A-Za-z:]*(?:Events|Usage)Controller"')
_MUTATION = re.compile(rb'"query":"\s*mutation')
_SETUP_JOB = re.compile(rb'"job":"Segment')


class Wrap(StrEnum):
    """What is around each line."""

    BARE = "bare"
    DOCKER = "docker"
    CRI = "cri"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a corpus is.

    Attributes:
        size: Bytes, roughly: it ends with the line that reaches it.
        matching: Share of the lines that match.
        wrap: What is around them.
        seed: Of everything that is drawn.
    """

    size: int
    matching: float
    wrap: Wrap = Wrap.BARE
    seed: int = 1

    @property
    def name(self) -> str:
        """Part of the file's name, and of a table's row."""
        return f"{self.wrap.value}-{self.matching * 100:g}pc-{self.size / 1e6:g}MB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A corpus on disk.

    Attributes:
        path: The log.
        size: Its bytes.
        lines: Of the app; pieces of one line count once.
        matching: How many of them match.
        candidates: How many of them the prefilter passes (unwrapped).
        ids_path: The message ids that must arrive, 24 bytes each.
    """

    path: Path
    size: int
    lines: int
    matching: int
    candidates: int
    ids_path: Path

    def ids(self) -> set[bytes]:
        """The message ids that must arrive, and no others."""
        return _split(self.ids_path.read_bytes())


class Template:
    """A captured line whose ids can be written anew."""

    __slots__ = ("_draws", "_format")

    def __init__(self, line: bytes) -> None:
        self._draws: list[tuple[str, int]] = []
        seen: dict[bytes, int] = {}

        def name(found: re.Match[bytes]) -> bytes:
            kind = str(found.lastgroup)
            # The same id twice in a line stays the same id.
            self._draws.append((kind, seen.setdefault(found.group(), len(seen))))
            return b"\0"

        marked = _VARIABLE.sub(name, line)
        self._format = marked.replace(b"%", b"%%").replace(b"\0", b"%b")

    def render(self, rng: random.Random, mark: bytes, organizations: int = ORGANIZATIONS) -> bytes:
        """The line with fresh ids; those of organizations and members come from a few that stay."""
        organization = rng.randrange(organizations)
        known: dict[int, bytes] = {}
        values = []
        for kind, place in self._draws:
            if kind == "run":
                values.append(mark)
            elif kind == "id":
                if place not in known:
                    known[place] = _uuid(rng.getrandbits(128))
                values.append(known[place])
            else:
                values.append(_FIXED[kind][organization])
        return self._format % tuple(values)


def _uuid(bits: int) -> bytes:
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}".encode()


_FIXED = {
    kind: [_uuid(random.Random(f"{kind}{number}").getrandbits(128)) for number in range(ORGANIZATIONS)]
    for kind in ("organization", "member")
}


class Judge:
    """Says what a line gives, with the project's own rules: which ids, or nothing."""

    def __init__(self, rules: RuleSet) -> None:
        self._ready = ReadyRules(rules)
        self._origin = Origin(path="app.log", time=1.7e9, time_source=TimeSource.MODIFIED)
        scanner = build_scanner(derive_literals(rules.rules), Pieces.NONE)
        self._scanner = scanner

    def ids(self, line: bytes) -> list[bytes]:
        """Message ids of the events that this line alone gives."""
        logical = Logical(line, None, "", (), "f", 0, len(line))
        outcome = evaluate(logical, self._origin, self._ready)
        if not outcome.events:
            return []
        found = resolve(outcome, _Scratch())
        return [bytes.fromhex(event.message_id) for event in found if isinstance(event, Event)]

    def is_candidate(self, line: bytes) -> bool:
        """Whether the prefilter passes the bare line."""
        return self._scanner is None or bool(self._scanner.find(memoryview(line)))


class _Scratch:
    """A memory that knows nothing: each generated fact is new."""

    def __init__(self) -> None:
        self._memos: dict[bytes, Memo] = {}

    def read(self, key: bytes) -> Memo | None:
        return self._memos.get(key)

    def write(self, key: bytes, memo: Memo) -> None:
        self._memos[key] = memo


@dataclass(frozen=True, slots=True)
class Sample:
    """Captured lines by what they are good for.

    Attributes:
        matching: Each gives an event whenever it is rendered.
        setup: Come with the matching ones, and give nothing.
        steady: All the others.
        setup_share: Setup lines for one matching line.
        dropped: Matching lines whose facts could not be made distinct; left out.
    """

    matching: list[Template]
    setup: list[Template]
    steady: list[Template]
    setup_share: float
    dropped: int


def config_text(log: Path, state: Path, host: str, more: str = "") -> str:
    """A config for one log; everything that is not named is as an operator gets it."""
    return (
        f"sources: [{{paths: [{json.dumps(str(log))}]}}]\n"
        f"rules: [lago]\ninstallation: {INSTALLATION}\nstate_dir: {json.dumps(str(state))}\n"
        f'metrics: "off"\ndestination: {{segment: {{host: "{host}", write_key: bench}}}}\n{more}'
    )


def bench_rules() -> RuleSet:
    """The rules as the configs of the benches have them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(config_text(path, Path(folder) / "state", "http://127.0.0.1:9"), encoding="utf-8")
        return build_rules(load_config(path, {}))


def captured_lines(folder: Path) -> list[bytes]:
    """Lines of all captured logs of the app below a folder.

    Raises:
        SystemExit: There are none.
    """
    paths = sorted(folder.glob("lago-*/*.log"))
    if not paths:
        raise SystemExit(f"no captured logs: {folder}/lago-*/*.log (say where they are with --sample)")
    return [line for path in paths for line in path.read_bytes().splitlines() if line]


def sort_sample(lines: Sequence[bytes], judge: Judge) -> Sample:
    """Which captured lines are good for what."""
    rng = random.Random(0)
    matching: list[Template] = []
    setup: list[Template] = []
    steady: list[Template] = []
    dropped = 0
    for line in lines:
        template = Template(line)
        if judge.ids(line):
            one, other = (judge.ids(template.render(rng, mark, 1)) for mark in (b"x1", b"x2"))
            if one and len(one) == len(other) == len({*one, *other}) / 2:
                matching.append(template)
            else:
                dropped += 1
        else:
            (setup if _is_setup(line) else steady).append(template)
    share = len(setup) / max(len(matching) + dropped, 1)
    return Sample(matching, setup, steady, share, dropped)


def _is_setup(line: bytes) -> bool:
    """Whether a line that gives nothing comes from setting things up, of which the other lines have no end."""
    if b'"controller":"' in line:
        return not _STEADY_REQUEST.search(line) and (b"/graphql" not in line or bool(_MUTATION.search(line)))
    return bool(_SETUP_JOB.search(line))


def long_lines(lines: Iterable[bytes], judge: Judge) -> tuple[list[Template], list[Template]]:
    """Lines of some 40 kB, matching ones and others, made of captured ones by repeating what is in their lists."""
    matching: list[Template] = []
    others: list[Template] = []
    for line in lines:
        if b'"events":[' in line and len(others) < 3:
            record = orjson.loads(line)
            record["params"]["events"] *= 40_000 // len(line) + 1
            others.append(Template(app_json(record)))
        elif b'"params":{"customer":{' in line and b'"status":200' in line and len(matching) < 3:
            record = orjson.loads(line)
            note = {
                "key": "note",
                "value": "a value of no interest <to> anybody",
                "display_in_invoice": False,
            }
            record["params"]["customer"]["metadata"] = [note] * 500
            made = app_json(record)
            if judge.ids(made):
                matching.append(Template(made))
    return matching, others


def app_json(record: object) -> bytes:
    """JSON as the app writes it."""
    return orjson.dumps(record).replace(b"<", rb"\u003c").replace(b">", rb"\u003e").replace(b"&", rb"\u0026")


def wrapper(wrap: Wrap) -> Callable[[bytes, float], bytes]:
    """What puts an envelope around a line and ends it, given a time."""

    def bare(line: bytes, _time: float) -> bytes:
        return line + b"\n"

    def docker(line: bytes, time: float) -> bytes:
        rest = f'","stream":"stdout","time":"{_nanoseconds(time)}"}}\n'.encode()
        pieces = [line[at : at + PIECE_BYTES] for at in range(0, len(line), PIECE_BYTES)]
        escaped = [
            piece.replace(b"\\", rb"\\").replace(b'"', rb"\"").replace(b"\t", rb"\t") for piece in pieces
        ]
        escaped[-1] += rb"\n"
        return b"".join(b'{"log":"' + piece + rest for piece in escaped)

    def cri(line: bytes, time: float) -> bytes:
        head = f"{_nanoseconds(time)} stdout ".encode()
        pieces = [line[at : at + PIECE_BYTES] for at in range(0, len(line), PIECE_BYTES)]
        return (
            b"".join(head + b"P " + piece + b"\n" for piece in pieces[:-1])
            + head
            + b"F "
            + pieces[-1]
            + b"\n"
        )

    return {Wrap.BARE: bare, Wrap.DOCKER: docker, Wrap.CRI: cri}[wrap]


def _nanoseconds(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"


class Facts:
    """Matching lines without end, each a fact of its own."""

    def __init__(self, seed: int, sample_folder: Path = SAMPLE) -> None:
        """Read the sample.

        Raises:
            SystemExit: There is none.
        """
        self.judge = Judge(bench_rules())
        lines = captured_lines(sample_folder)
        self.sample = sort_sample(lines, self.judge)
        if not self.sample.matching:
            raise SystemExit(f"none of the captured lines below {sample_folder} matches a rule")
        self.long_matching, self.long_others = long_lines(lines, self.judge)
        self.rng = random.Random(seed)
        self._numbers = count()

    def __iter__(self) -> Iterator[tuple[bytes, list[bytes]]]:
        """Lines and their message ids."""
        sample, rng = self.sample, self.rng
        for number in self._numbers:
            long = self.long_matching and number % LONG_EVERY == LONG_EVERY // 2
            template = rng.choice(self.long_matching if long else sample.matching)
            line = template.render(rng, b"f%x" % number)
            yield line, self.judge.ids(line)


@dataclass(frozen=True, slots=True)
class _Pool:
    """Other lines, wrapped, ready to be written in runs.

    Attributes:
        data: The lines.
        ends: Where they end in it; the first entry is 0.
        passed: For each line how many candidates there are up to it.
    """

    data: bytes
    ends: list[int]
    passed: list[int]

    @classmethod
    def make(cls, templates: Sequence[Template], size: int, facts: Facts, kind: Kind) -> "_Pool":
        rng = random.Random(f"{kind.seed} pool")
        wrap = wrapper(kind.wrap)
        pieces: list[bytes] = []
        candidates: list[bool] = []
        filled = 0
        while filled < size or not pieces:
            long = facts.long_others and len(pieces) % LONG_EVERY == LONG_EVERY // 2
            # In captured order, from a drawn place on, so that what goes together stays together.
            start = rng.randrange(len(templates))
            run = [rng.choice(facts.long_others)] if long else templates[start : start + 20]
            for template in run:
                line = template.render(rng, b"%04x" % rng.getrandbits(16))
                if facts.judge.ids(line):
                    continue
                candidates.append(facts.judge.is_candidate(line))
                pieces.append(wrap(line, 1.7e9 + filled / 1e5))
                filled += len(pieces[-1])
        return cls(b"".join(pieces), [0, *accumulate(map(len, pieces))], [0, *accumulate(candidates)])


def make_corpus(kind: Kind, folder: Path = FOLDER, sample_folder: Path = SAMPLE) -> Corpus:
    """The corpus, from the folder if it is there and was made of the same rules and sample; else made now."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / kind.name
    log, ids, about = (stem.with_name(stem.name + end) for end in (".log", ".ids", ".json"))
    origin = _origin(kind, sample_folder)
    if about.exists() and (known := json.loads(about.read_text(encoding="utf-8")))["origin"] == origin:
        counts = known["counts"]
    else:
        about.unlink(missing_ok=True)
        counts = _write(kind, Facts(kind.seed, sample_folder), log, ids)
        if len(_split(ids.read_bytes())) * ID_BYTES != ids.stat().st_size:
            raise SystemExit(
                f"{log}: two of its facts have the same id; Template misses what tells them apart"
            )
        about.write_text(json.dumps({"origin": origin, "counts": counts}), encoding="utf-8")
    return Corpus(path=log, size=log.stat().st_size, ids_path=ids, **counts)


def _split(raw: bytes) -> set[bytes]:
    return {raw[at : at + ID_BYTES] for at in range(0, len(raw), ID_BYTES)}


def _origin(kind: Kind, sample_folder: Path) -> str:
    state = hashlib.blake2b(Path(__file__).read_bytes(), digest_size=16)
    state.update(rulepacks.shipped("lago")[0].encode())
    for line in captured_lines(sample_folder):
        state.update(line)
    return f"{kind} {state.hexdigest()}"


def _write(kind: Kind, facts: Facts, log: Path, ids: Path) -> dict[str, int]:
    rng = random.Random(f"{kind.seed} order")
    wrap = wrapper(kind.wrap)
    sample = facts.sample
    steady = _Pool.make(sample.steady, min(POOL_BYTES, kind.size), facts, kind)
    setup = _Pool.make(sample.setup or sample.steady, POOL_BYTES // 48, facts, kind)
    others = 1 / kind.matching - 1
    setup_share = min(sample.setup_share, others)
    position = setup_position = 0
    owed = setup_owed = 0.0
    written = lines = matching = candidates = 0
    with log.open("wb") as out, ids.open("wb") as known:
        for line, message_ids in facts:
            # Matching lines come at uneven distances, as many as asked for on the whole.
            owed += (others - setup_share) * rng.uniform(0, 2)
            run, owed = int(owed), owed % 1
            lines += run
            while run:
                first, last = position, min(position + run, len(steady.ends) - 1)
                written += out.write(memoryview(steady.data)[steady.ends[first] : steady.ends[last]])
                candidates += steady.passed[last] - steady.passed[first]
                run -= last - first
                position = last % (len(steady.ends) - 1)
                if written >= kind.size:
                    break
            lines -= run
            if written >= kind.size:
                break
            setup_owed += setup_share
            while setup_owed >= 1:
                setup_owed -= 1
                at, setup_position = setup_position, (setup_position + 1) % (len(setup.ends) - 1)
                written += out.write(setup.data[setup.ends[at] : setup.ends[at + 1]])
                candidates += setup.passed[at + 1] - setup.passed[at]
                lines += 1
            written += out.write(wrap(line, 1.7e9 + written / 1e5))
            known.write(b"".join(message_ids))
            candidates += 1
            matching += 1
            lines += 1
    return {"lines": lines, "matching": matching, "candidates": candidates}


def main() -> None:
    """Make one corpus and say what is in it."""
    parser = argparse.ArgumentParser(prog="python -m bench.corpus", description=__doc__)
    parser.add_argument("--size", type=float, default=1.0, help="GB (1e9 bytes); default 1")
    parser.add_argument("--matching", type=float, default=0.1, help="percent of lines; default 0.1")
    parser.add_argument("--wrap", type=Wrap, default=Wrap.BARE, choices=list(Wrap))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--sample", type=Path, default=SAMPLE, help="folder with lago-*/*.log")
    parser.add_argument("--head", type=int, default=0, help="print so many matching lines instead")
    chosen = parser.parse_args()
    if chosen.head:
        for line, _ids in islice(Facts(chosen.seed, chosen.sample), chosen.head):
            sys.stdout.buffer.write(line + b"\n")
        return
    kind = Kind(
        size=int(chosen.size * 1e9), matching=chosen.matching / 100, wrap=chosen.wrap, seed=chosen.seed
    )
    corpus = make_corpus(kind, chosen.folder, chosen.sample)
    print(corpus)
    print(f"{len(corpus.ids())} facts, {corpus.candidates / corpus.lines:.3%} of the lines are candidates")


if __name__ == "__main__":
    main()
