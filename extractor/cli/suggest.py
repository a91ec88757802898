"""`extractor suggest`."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from extractor import document, rulepacks, wiring
from extractor.cli.explain import wrapping_of
from extractor.cli.terminal import absolute, printable
from extractor.config import Config, load_config
from extractor.decode.assemble import Logical
from extractor.decode.record import decode_json
from extractor.intake import Wrapping
from extractor.learning.corpus import Corpus, Words
from extractor.learning.skeleton import render_pack
from extractor.learning.suggest import suggest
from extractor.lines import LineReader
from extractor.problems import ProblemError
from extractor.ruleset.examples import check_examples
from extractor.ruleset.kinds import Kinds
from extractor.ruleset.load import load_pack
from extractor.source.spec import Limits
from extractor.telemetry import Reason

SHOWN_KINDS = 40


def suggest_command(path: Path, files: list[str], event: str, given: list[str]) -> int:
    """Print a rule pack for the lines that show the event."""
    config = load_config(path, os.environ) if path.exists() else None
    kinds = wiring.build_rules(config).kinds if config is not None else shipped_kinds()
    words = Words.of(given)
    is_example: Callable[[bytes], bool] = words.stand_in
    if not words.alternatives:
        is_example = ask(files, config, kinds, event)
    corpus = Corpus()
    for text in lines_of(files, config):
        corpus.add(text, example=is_example(text), words=words.all)
    if not corpus.examples:
        sys.stderr.write(f"extractor: none of {corpus.lines} lines is an example; words are whole words\n")
        return 1
    found = suggest(corpus, kinds)
    if not found:
        sys.stderr.write(
            f"extractor: nothing tells {len(corpus.examples)} examples from the other lines; try other words, "
            "or more of them\n"
        )
        return 1
    pack = render_pack("suggested", event, found)
    # What cannot be shown to hold is not written.
    problems = check_examples(load_pack(document.load(pack, "suggested.yaml")))
    if problems:
        raise ProblemError(problems)
    sys.stdout.write(pack)
    taken = sum(one.lines for one in found)
    sys.stderr.write(f"{len(found)} rules from {taken} of {len(corpus.examples)} example lines\n")
    return 0


def shipped_kinds() -> Kinds:
    """What the shipped packs say about kinds, where no config says which pack is used."""
    packs = [load_pack(document.load(*rulepacks.shipped(name))) for name in rulepacks.shipped_names()]
    return Kinds(tuple(form for pack in packs for form in pack.kinds.forms))


def lines_of(files: list[str], config: Config | None) -> Iterator[bytes]:
    """The app's lines, out of any envelope."""
    for file in files:
        wrapping = Wrapping() if config is None else wrapping_of(file, config)
        limits = Limits() if config is None else wiring.build_limits(config)
        for numbered in LineReader(wrapping, limits).read_file(absolute(file)):
            if isinstance(numbered.line, Logical) and numbered.wanted:
                yield numbered.line.text


def ask(files: list[str], config: Config | None, kinds: Kinds, event: str) -> Callable[[bytes], bool]:
    """Let a person pick the kinds of lines that show the event."""
    counts: Counter[str] = Counter()
    for text in lines_of(files, config):
        counts[kind_of(text, kinds)] += 1
    shown = [kind for kind, _ in counts.most_common() if kind][:SHOWN_KINDS]
    for number, kind in enumerate(shown, 1):
        sys.stderr.write(f"{number:4}  {counts[kind]:8}  {printable(kind)}\n")
    sys.stderr.write(
        f"Which of them show {event}? Numbers with spaces between, or words that its lines hold: "
    )
    sys.stderr.flush()
    answer = sys.stdin.readline().split()
    if answer and all(one.isdecimal() and 0 < int(one) <= len(shown) for one in answer):
        picked = {shown[int(one) - 1] for one in answer}
        return lambda text: kind_of(text, kinds) in picked
    return Words.of([" ".join(answer)]).stand_in


def kind_of(text: bytes, kinds: Kinds) -> str:
    """The kind of a line, or ""."""
    record = decode_json(text)
    return "" if isinstance(record, Reason) else kinds.name(record) or ""
