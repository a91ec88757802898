"""The config: what each key means, where references are filled in, and that secrets stay to themselves.

What is said about mistakes is in `golden/problems`, read by `test_problem_texts`.
"""

import copy
import json
import pickle
import traceback
from dataclasses import asdict, fields
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor import rulepacks
from extractor.config import (
    Config,
    Listen,
    Organizations,
    PackChoice,
    Secret,
    Segment,
    Stdout,
    Where,
    config_schema,
    load_config,
    opted_out_by,
)
from extractor.config.interpolate import interpolate
from extractor.config.quantity import seconds, size
from extractor.config.shape import ConfigShape
from extractor.document import load, plain
from extractor.problems import Place, ProblemError

KEY = "canary-7f3a9c"
SOURCES = 'sources: [{paths: ["logs/*.log"]}]\n'
SEGMENT = SOURCES + 'installation: a-random-text\ndestination: {segment: {write_key: "${KEY}"}}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose own name has characters that are special in globs."""
    folder = tmp_path / "etc [prod]"
    folder.mkdir()
    return folder


def config_of(folder: Path, text: str, **environ: str) -> Config:
    """The config of a text that must be fine."""
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, environ)


def test_the_shortest_config_has_every_default(folder: Path) -> None:
    """Only the logs have to be named; everything else has a documented default, and nothing leaves the machine."""
    config = config_of(folder, SOURCES)
    assert config.destination == Stdout()
    assert [(choice.name, choice.path) for choice in config.rules] == [("lago", None)]
    assert config.state_dir == folder / "state"
    assert config.enabled
    assert config.max_line_bytes == 1024 * 1024
    assert (config.ledger_s, config.sent_s) == (400 * 86400.0, 30 * 86400.0)
    assert config.metrics == Listen("127.0.0.1", 9464)
    assert config.organizations == Organizations()
    assert config.sources[0].where == Where()


def test_every_key_arrives(folder: Path) -> None:
    """A key that is accepted and then forgotten would be a lie."""
    (folder / "mine.yaml").touch()
    (folder / "ca.pem").touch()
    config = config_of(
        folder,
        """
        sources:
          - paths: [/var/log/a.log, "b/**/*.log"]
            exclude: [../c.log]
            start_at: end
            envelope: docker
            where: {namespace: billing, pod: ["a-*", b], container: api, stream: stderr, tag: t, labels: {app: [x, y]}}
        rules: [./mine.yaml, {pack: lago, enable: [on], disable: [off]}]
        variables: {hosting_type: self, version: "1.51.0", nodes: 3, beta: true}
        installation: a-random-text
        destination:
          segment:
            host: https://events.eu1.segmentapis.com/
            write_key: key
            timeout: 2s
            gzip: true
            requests_per_second: 7
            max_batch_events: 100
            max_batch_bytes: 64KiB
            ca_bundle: ca.pem
        state_dir: /var/lib/extractor
        enabled: false
        opt_out_variables: [STOP]
        unidentified_users: anonymous
        context: {consent: {categoryPreferences: {Analytics: true}}}
        integrations: {All: false, Mixpanel: true}
        drop_properties: [name]
        organizations: {only: [a], never: [b]}
        max_line_bytes: 64KiB
        poll_interval: 250ms
        forget_files_after: 2d
        outbox: {max_events: 1000, max_bytes: 2MiB}
        retention: {ledger: 10w, sent: 0s}
        metrics: "[::1]:9000"
        shutdown_grace: 1m
        log_level: debug
        """,
    )
    (source,) = config.sources
    escaped = str(folder).replace("[", "[[]")
    assert source.paths == ("/var/log/a.log", f"{escaped}/b/**/*.log")
    assert source.exclude == (f"{escaped.rpartition('/')[0]}/c.log",)
    assert (source.start_at, source.envelope) == ("end", "docker")
    assert source.where == Where(
        namespace=("billing",),
        pod=("a-*", "b"),
        container=("api",),
        stream="stderr",
        tag=("t",),
        labels=(("app", ("x", "y")),),
    )
    mine, lago = config.rules
    assert (mine.name, mine.path) == ("", folder / "mine.yaml")
    assert lago == PackChoice(
        name="lago", path=None, enable=("on",), disable=("off",), place=Place(str(config.path), 8, 30)
    )
    assert config.variables == {"hosting_type": "self", "version": "1.51.0", "nodes": 3, "beta": True}
    assert config.installation == "a-random-text"
    assert config.destination == Segment(
        host="https://events.eu1.segmentapis.com",
        write_key=Secret("key"),
        timeout_s=2.0,
        gzip=True,
        requests_per_second=7.0,
        max_batch_events=100,
        max_batch_bytes=64 * 1024,
        ca_bundle=folder / "ca.pem",
    )
    assert config.state_dir == Path("/var/lib/extractor")
    assert not config.enabled
    assert config.opt_out_variables == ("STOP",)
    assert config.unidentified_users == "anonymous"
    assert config.context == {"consent": {"categoryPreferences": {"Analytics": True}}}
    assert config.integrations == {"All": False, "Mixpanel": True}
    assert config.drop_properties == {"name"}
    assert config.organizations == Organizations(frozenset("a"), frozenset("b"))
    assert (config.max_line_bytes, config.poll_interval_s, config.forget_files_s) == (65536, 0.25, 172800.0)
    assert (config.outbox.max_events, config.outbox.max_bytes) == (1000, 2 * 1024 * 1024)
    assert (config.ledger_s, config.sent_s) == (10 * 604800.0, 0.0)
    assert config.metrics == Listen("::1", 9000)
    assert (config.shutdown_grace_s, config.log_level) == (60.0, "debug")


def test_the_example_in_the_test_above_names_every_key() -> None:
    """So that a new key cannot be forgotten there."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in ConfigShape.model_fields if f"        {name}:" not in source] == []


def test_metrics_are_off_with_one_key(folder: Path) -> None:
    """`off` is a text in YAML 1.2, and is taken as the word it is."""
    assert config_of(folder, SOURCES + "metrics: off\n").metrics is None


def test_paths_are_relative_to_the_config_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Wherever the daemon is started from, and however the file was named."""
    (folder / "config.yaml").write_text(SOURCES, encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    config = load_config(Path("../etc [prod]/config.yaml"), {})
    assert config.state_dir == folder / "state"


@pytest.mark.parametrize(
    ("written", "environ", "meant"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("a/${A}/${B}", {"A": "x", "B": "y"}, "a/x/y"),
        ("${A:-d}", {}, "d"),
        ("${A:-d}", {"A": ""}, "d"),
        ("${A:-}", {}, None),
        ("${A:-a:b c}", {}, "a:b c"),
        ("$$A $A $", {"A": "x"}, "$A $A $"),
        ("$${A}", {"A": "x"}, "${A}"),
        ("${A}", {"A": "${B}"}, "${B}"),
        ("${A}", {"A": "true"}, True),
        ("'${A}'", {"A": "true"}, "true"),
        ("${A}", {"A": "5"}, 5),
        ('"${A}"', {"A": "5"}, "5"),
        ("${A}", {"A": "a: [b]\n- c"}, "a: [b]\n- c"),
    ],
)
def test_a_reference_is_filled_in_once_and_as_text(
    written: str, environ: dict[str, str], meant: object
) -> None:
    """A value of the environment never becomes structure, and is not looked at again for references."""
    filled, problems = interpolate(load(f"key: {written}\n", "a"), environ)
    assert not problems
    assert plain(filled) == {"key": meant}


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_can_be_filled_in(before: str, value: str) -> None:
    """Filling in is total: the value stands where the reference stood, or a problem says why not."""
    quoted = json.dumps(before.replace("$", "$$") + "${A}")
    try:
        node = load(quoted, "a")
    except ProblemError:
        return  # half a surrogate, which no document can hold
    filled, problems = interpolate(node, {"A": value})
    assert problems or plain(filled) == before + value


def test_bytes_that_are_no_utf_8_do_not_come_in(folder: Path) -> None:
    """Python keeps such bytes of the environment as half surrogates, which no message could carry."""
    with pytest.raises(ProblemError, match="E021 the environment variable KEY is not UTF-8"):
        config_of(folder, SEGMENT, KEY="\udcff")


@pytest.mark.parametrize("value", ["true", "TRUE", "1", "yes", "Yes", "on", "oN", " true\n"])
def test_an_opt_out_variable_in_any_case_wins(folder: Path, value: str) -> None:
    """Whoever set it meant it."""
    config = config_of(folder, SOURCES)
    assert config.opted_out_by({"EXTRACTOR_DISABLED": value}) == "EXTRACTOR_DISABLED"
    assert opted_out_by(("LAGO_DISABLE_SEGMENT",), {"LAGO_DISABLE_SEGMENT": value}) == "LAGO_DISABLE_SEGMENT"


@pytest.mark.parametrize("value", ["", "0", "false", "no", "off", "2", "truest"])
def test_any_other_value_opts_nobody_out(folder: Path, value: str) -> None:
    """An explicit no is no opt-out; a config that says `enabled: false` still is one."""
    environ = {"EXTRACTOR_DISABLED": value}
    assert config_of(folder, SOURCES).opted_out_by(environ) is None
    assert config_of(folder, SOURCES + "enabled: false\n").opted_out_by(environ) == "enabled"


def test_the_write_key_is_shown_by_nothing(folder: Path) -> None:
    """No repr, format, traceback, copy to a dict or pickle has it; only `reveal` does."""
    config = config_of(folder, SEGMENT, KEY=KEY)
    assert isinstance(config.destination, Segment)
    secret = config.destination.write_key
    shown = [repr(config), str(asdict(config)), f"{secret} {secret!r} {secret!s:>20}"]
    try:
        raise ValueError(config, secret)
    except ValueError as error:
        shown += traceback.TracebackException.from_exception(error, capture_locals=True).format()
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert KEY not in "".join(shown)
    assert secret.reveal() == KEY


def test_nothing_of_the_config_but_the_secret_holds_the_key(folder: Path) -> None:
    """The tree that is kept for later problems has places only."""
    config = config_of(folder, SEGMENT, KEY=KEY)
    others = [getattr(config, field.name) for field in fields(config) if field.name != "destination"]
    assert KEY not in str([plain(config.root), others])
    assert config.place("destination", "segment", "write_key") == Place(str(config.path), 3, 36)


def test_secrets_are_equal_when_their_texts_are() -> None:
    """A reload can tell whether the key changed without looking at it."""
    assert Secret("a") == Secret("a") != Secret("b")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != "a"
    assert copy.copy(Secret("a")) == copy.deepcopy(Secret("a")) == Secret("a")


@pytest.mark.parametrize("content", [f"{KEY}\n", KEY, f"  {KEY}\r\n\n"])
def test_the_write_key_comes_from_a_file(folder: Path, content: str) -> None:
    """Docker and systemd hand secrets over as files, most of them with a newline at the end."""
    (folder / "key").write_text(content, encoding="utf-8")
    config = config_of(folder, SEGMENT.replace('write_key: "${KEY}"', "write_key_file: ./key"))
    assert isinstance(config.destination, Segment)
    assert config.destination.write_key.reveal() == KEY


@pytest.mark.parametrize(
    "content", ["", "\n", "two\nlines", "caf\u00e9", "a\x00b", "user:password", "k" * 5000]
)
def test_a_write_key_that_no_server_takes_is_refused_unseen(folder: Path, content: str) -> None:
    """A line break in a header is more than a wrong key. Whatever is wrong, the key is not shown."""
    (folder / "key").write_text(content, encoding="utf-8")
    text = SEGMENT.replace('write_key: "${KEY}"', "write_key_file: ./key")
    with pytest.raises(ProblemError, match="E027") as raised:
        config_of(folder, text)
    assert not content.strip() or content.strip() not in str(raised.value)


def test_no_problem_shows_a_value(folder: Path) -> None:
    """A secret in the wrong place is still a secret: nothing of the file's values is printed back."""
    values = {
        "sources": f"{KEY}",
        "rules": f"{{pack: [{KEY}]}}",
        "installation": f"[{KEY}]",
        "destination": KEY,
        "enabled": KEY,
        "unidentified_users": KEY,
        "max_line_bytes": KEY,
        "poll_interval": KEY,
        "opt_out_variables": f"[{KEY}-]",
        "outbox": KEY,
        "metrics": KEY,
        "log_level": KEY,
    }
    text = "".join(f"{key}: {value}\n" for key, value in values.items())
    with pytest.raises(ProblemError) as raised:
        config_of(folder, text)
    assert KEY not in str(raised.value)
    assert len(raised.value.problems) >= len(values) - 1  # `metrics` is looked at once the rest is fine


@given(st.decimals(0, 99999, places=3), st.sampled_from(["ms", "s", "m", "h", "d", "w"]), st.booleans())
def test_durations_are_seconds(number: object, unit: str, spaced: bool) -> None:
    """One reader for all keys; a space before the unit is fine."""
    of_a_second = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    text = f"{number}{' ' if spaced else ''}{unit}"
    assert seconds(text) == pytest.approx(float(str(number)) * of_a_second[unit])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0B", 0), ("1kB", 1000), ("1KiB", 1024), ("1.5MiB", 1572864), ("2 GB", 2 * 10**9), ("1TiB", 2**40)],
)
def test_sizes_are_bytes(text: str, expected: int) -> None:
    """Thousands and powers of two are told apart, as everywhere else."""
    assert size(text) == expected


@pytest.mark.parametrize(
    "text", ["", "10", "s", "10S", "10 sec", "-1s", "1e3s", "1s ", "10\n", "١s", "1m30s"]
)
def test_a_quantity_without_its_unit_is_none(text: str) -> None:
    """`10` could be anything; no unit is guessed."""
    with pytest.raises(ValueError, match="ms"):
        seconds(text)


def test_the_schema_for_editors_takes_what_the_loader_takes(folder: Path) -> None:
    """An editor must not mark a good file, with references in it or not; nor pass a misspelt key."""
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    good = (
        SEGMENT
        + 'enabled: "${FORWARD}"\npoll_interval: "${POLL:-1s}"\noutbox: {max_events: "${N}"}\nrules: [lago]\n'
    )
    validator.validate(plain(load(good, "a")))
    config_of(folder, good.replace('"${FORWARD}"', "true").replace('"${N}"', "1000"), KEY=KEY)
    for bad in (
        "pathss: []\n",
        "enabled: perhaps\n",
        "poll_interval: 5\n",
        "rules: []\n",
        "outbox: {max_events: 1}\n",
    ):
        assert not validator.is_valid(plain(load(SEGMENT + bad, "a"))), bad


def test_shipped_packs_are_found_by_name_only() -> None:
    """A name never becomes a path, and what is shipped can be loaded from where it is said to be."""
    assert "lago" in rulepacks.shipped_names()
    text, file = rulepacks.shipped("lago")
    assert "pack: lago" in text
    assert file == "rules/lago.yaml"
    for name in ("../rules/lago", "absent", ""):
        with pytest.raises(KeyError):
            rulepacks.shipped(name)
