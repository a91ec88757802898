"""What people outside wrote is shown, and acts on no terminal: values, file names, packs."""

import json
from unicodedata import category

import pytest

from tests.commands import CONFIG, Said, Shell
from tests.hostile import ESCAPES, plan_created


def assert_harmless(said: Said) -> None:
    """Nothing but text and the ends of lines of our own."""
    for letter in said.out + said.err:
        assert letter == "\n" or category(letter) not in {"Cc", "Cf", "Zl", "Zp", "Cs"}


@pytest.mark.parametrize(
    "command",
    [
        ["preview", "api.log"],
        ["preview", "api.log", "--format", "jsonl"],
        ["explain", "api.log", "--all"],
        ["explain", "api.log", "--all", "--show-values"],
        ["explain", "api.log:1"],
        ["backfill", "api.log", "--assume-time", "now", "--yes"],
        ["sent"],
        ["sent", "--format", "jsonl"],
        ["status"],
        ["status", "--json"],
    ],
    ids=" ".join,
)
def test_nothing_of_a_line_acts_on_a_terminal(shell: Shell, command: list[str]) -> None:
    """Values with terminal escapes, marks of direction and ends of lines, wherever a command shows something of them."""
    ruby = ESCAPES.encode("unicode_escape").decode().replace("\\x9b", "\\u009b")
    shell.write("api.log", plan_created(f'code: "{ruby}", name: "{ruby}"') + b"\n" + ESCAPES.encode() + b"\n")
    if command[0] in {"sent", "status"}:
        shell("backfill", "api.log", "--assume-time", "now", "--yes")
    said = shell(*command)
    assert said.out
    assert_harmless(said)


def test_nothing_of_a_file_s_name_acts_on_a_terminal(shell: Shell) -> None:
    """Whoever may create files in a log folder chooses their names."""
    name = ESCAPES.replace("/", "") + ".log"
    shell.write(name, plan_created('code: "x"') + b"\n")
    shell.write("extractor.yaml", CONFIG.replace("[api.log, worker.log, clock.log]", '["*.log"]'))
    assert shell("run", "--once").code == 0
    for command in (["preview"], ["explain", name, "--all"], ["status"], ["status", "--json"], ["sent"]):
        assert_harmless(shell(*command))


@pytest.mark.parametrize("content", [b"a,b,c\n", b"\xff\n", b'"\n'])
def test_nothing_of_the_name_of_a_list_of_keys_acts_on_a_terminal(shell: Shell, content: bytes) -> None:
    """Told with each line that is no key; a wildcard of the shell may have named it."""
    name = ESCAPES.replace("/", "").replace("\n", "") + ".csv"
    shell.write(name, content)
    said = shell("prime", "--event", "customer_created", name)
    assert said.code == 1
    assert said.err
    assert_harmless(said)


def test_nothing_of_a_pack_acts_on_a_terminal(shell: Shell) -> None:
    """A pack of somebody else is checked before it is trusted."""
    shell.write("pack.yaml", '"\\e[31m\\u202e": 1\n"a\\nb": 2\n')
    shell.write("extractor.yaml", CONFIG.replace("[lago]", "[pack.yaml]"))
    said = shell("check")
    assert said.code == 1
    assert_harmless(said)


@pytest.mark.parametrize(
    "command",
    [
        ["check"],
        *(["plan", "--format", form] for form in ("markdown", "csv", "json", "json-schema")),
        ["preview"],
        ["explain", "api.log", "--all", "--show-values"],
        ["coverage", "api.log"],
        ["run", "--once"],
        ["funnel"],
        ["funnel", "--json"],
        ["status"],
    ],
    ids=" ".join,
)
def test_nothing_that_a_good_pack_says_acts_on_a_terminal(shell: Shell, command: list[str]) -> None:
    """What it is about, why, what it compares with and sends: its author's to choose, and shown in many places."""
    told = json.dumps(ESCAPES)
    line = json.dumps({"job": ESCAPES, "note": "x"})
    shell.write(
        "pack.yaml",
        f"pack: shop\nversion: 1\nabout: {told}\ncannot_show: [{told}]\n"
        f"kinds: [{{form: '{{job}}'}}]\nknown_kinds: [{told}]\n"
        f"events: {{placed: {{about: {told}, why: {told}}}}}\n"
        f"funnel: [{{event: placed, about: {told}}}]\n"
        f"rules:\n  - id: placed\n    about: {told}\n    event: placed\n    user: {{constant: nobody}}\n"
        f"    when: [{{field: job, equals: {told}}}]\n"
        f"    properties: {{note: {{from: note, enum: [x, {told}], about: {told}}}}}\n"
        f"    examples:\n      - {{line: {json.dumps(line)}, gives: [{{event: placed, properties: {{note: x}}}}]}}\n"
        "      - {line: '{}', gives: []}\n",
    )
    shell.write("api.log", line.encode() + b'\n{"job":"x"}\n')
    config = CONFIG.replace("[lago]", "[pack.yaml]").replace("[api.log, worker.log, clock.log]", "[api.log]")
    shell.write("extractor.yaml", config.replace('variables: {hosting_type: self, version: "1.51.0"}\n', ""))
    if command[0] in {"funnel", "status"}:
        assert shell("run", "--once").code == 0
    said = shell(*command)
    assert said.out
    assert said.code in {0, 1}, said.err
    assert "E0" not in said.err
    assert_harmless(said)
