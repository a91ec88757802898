"""Golden texts of every problem that a config or a pack can have: `tests/golden/problems/*.txt`.

A file names in its first line what it is about, then what kind of input follows, then the input, then exactly what
is printed. Kinds are `document`, `config` (its `environment` and a `pack` that it names may stand before it), `pack`,
`escaped` (a document's bytes, where not all of them are text) and `large` (repeated until it is too large).
Run `pytest tests/test_problem_texts.py --rewrite-golden` after a wanted change, and read the difference.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from extractor import document, validation
from extractor.config import Code as ConfigCode
from extractor.config import load_config
from extractor.document import load_file
from extractor.problems import ProblemError
from extractor.ruleset.codes import Code as RuleCode
from extractor.ruleset.examples import check_examples
from extractor.ruleset.load import load_pack
from extractor.wiring import build_rules

GOLDEN = sorted((Path(__file__).parent / "golden" / "problems").glob("*.txt"))
KINDS = {"document", "escaped", "large", "config", "pack"}
CODES = [*document.Code, *validation.Code, *ConfigCode, *RuleCode]


@dataclass(frozen=True, slots=True)
class Golden:
    """One golden file, cut into its parts."""

    title: str
    kind: str
    environ: dict[str, str]
    pack: str
    text: str
    expected: str

    @classmethod
    def read(cls, path: Path) -> "Golden":
        """Cut a file; the marks are lines of three dashes and a word, which no input here begins with."""
        title, *parts = re.split(r"^--- (\w+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        sections = dict(zip(parts[::2], parts[1::2], strict=True))
        kind = "config" if "config" in sections else next(iter(sections.keys() & KINDS))
        pack = sections["pack"] if kind == "config" and "pack" in sections else ""
        pairs = (line.partition("=") for line in sections.get("environment", "").splitlines())
        environ = {name: value for name, _, value in pairs}
        return cls(title, kind, environ, pack, sections[kind], sections.get("problems", ""))

    def render(self, problems: str) -> str:
        """The file again, with what is printed now."""
        environ = "".join(f"{name}={value}\n" for name, value in self.environ.items())
        head = f"--- environment\n{environ}" if environ else ""
        head += f"--- pack\n{self.pack}" if self.pack else ""
        return f"{self.title}{head}--- {self.kind}\n{self.text}--- problems\n{problems}"


def read_input(golden: Golden, path: Path) -> None:
    """Take the input in by the door that its kind goes through."""
    text = golden.text
    path.with_name("pack.yaml").write_text(golden.pack, encoding="utf-8")
    match golden.kind:
        case "escaped":
            path.write_bytes(text.encode().decode("unicode_escape").encode("latin-1"))
        case "large":
            path.write_text(text * (document.MAX_BYTES // len(text) + 1), encoding="utf-8")
        case _:
            path.write_text(text, encoding="utf-8")
    match golden.kind:
        case "config":
            build_rules(load_config(path, golden.environ))
        case "pack":
            if problems := check_examples(load_pack(load_file(path))):
                raise ProblemError(problems)
        case _:
            load_file(path)


def problems_of(golden: Golden, folder: Path) -> str:
    """What is printed for the input, each problem on its lines, without the folder's own name."""
    with pytest.raises(ProblemError) as raised:
        read_input(golden, folder / f"{golden.kind}.yaml")
    return f"{raised.value}\n".replace(f"{folder}/", "").replace(str(folder), "/etc/extractor")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_problem_reads_as_its_golden_text_says(
    path: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Code, place, words and hint of a problem are a promise to whoever reads or searches for them."""
    golden = Golden.read(path)
    problems = problems_of(golden, tmp_path)
    if request.config.getoption("--rewrite-golden"):
        path.write_text(golden.render(problems), encoding="utf-8")
    else:
        assert problems == golden.expected


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_golden_text_that_shows_it(code: str) -> None:
    """No code can come out of the program that nobody has ever looked at."""
    assert any(f": {code} " in Golden.read(path).expected for path in GOLDEN)


def test_no_code_means_two_things() -> None:
    """Codes are unique over all loaders."""
    assert len(set(CODES)) == len(CODES)
