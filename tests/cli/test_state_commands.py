"""Commands that look into the state or change it beside a daemon: prime, dead-letters, sent, resend, forget."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from extractor.clock import SystemClock
from extractor.ruleset.identity import Identity
from extractor.store import Store
from tests.commands import CONFIG, LOGS, MEMBER, ORGANIZATION, Shell, customer_line, deletion_line
from tests.storing import event_id, fact, files_with

ALL = ("--assume-time", "now", "--yes")


@contextmanager
def store_of(shell: Shell) -> Iterator[Store]:
    """The state of the shell's config, as its writer."""
    store = Store.open(shell.folder / "state", destination="stdout", clock=SystemClock())
    try:
        yield store
    finally:
        store.close()


def sent_by(shell: Shell, *files: str) -> list[str]:
    """Events that a backfill of these files sends."""
    return [json.loads(line)["event"] for line in shell("backfill", *files, *ALL).out.splitlines()]


# prime


def test_an_update_of_a_primed_customer_is_no_creation(shell: Shell) -> None:
    """A key from a database export is known: only the other customer is new."""
    keys = shell.write("customers.csv", f"# exported\n{ORGANIZATION},acme-1\n\n{ORGANIZATION}, acme-2\n")
    said = shell("prime", "--event", "customer_created", str(keys))
    assert (said.code, said.out) == (
        0,
        "2 keys of customer_created, 2 rows of memory written; nothing was sent\n",
    )
    shell.write("api.log", [customer_line("acme-1"), customer_line("acme-2"), customer_line("acme-3")])
    assert sent_by(shell, "api.log") == ["customer_created"]


def test_a_primed_key_that_is_deleted_is_new_again(shell: Shell) -> None:
    """Priming is what a line would have told memory, no more."""
    keys = shell.write("customers.csv", f"{ORGANIZATION},acme-1\n")
    shell("prime", "--event", "customer_created", str(keys))
    shell.write("api.log", [deletion_line("acme-1"), customer_line("acme-1")])
    assert sent_by(shell, "api.log") == ["customer_created"]


def test_a_changed_key_is_primed_with_its_last_value(shell: Shell) -> None:
    """A payment status that is known already is no change; another one is."""
    invoices = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"]
    keys = shell.write("invoices.csv", "".join(f"{invoice},succeeded\n" for invoice in invoices))
    assert shell("prime", "--event", "payment_status_changed", str(keys)).code == 0

    def update(invoice: str, status: str) -> str:
        return (
            '{"method":"PUT","controller":"Api::V1::InvoicesController","action":"update","status":200,'
            f'"params":{{"invoice":{{"payment_status":"{status}"}},"id":"{invoice}"}},"organization_id":"{ORGANIZATION}"}}'
        )

    shell.write("api.log", [update(invoices[0], "succeeded"), update(invoices[1], "failed")])
    assert sent_by(shell, "api.log") == ["payment_status_changed"]


def test_what_old_logs_show_is_known_and_never_sent(shell: Shell) -> None:
    """Primed from logs, nothing of the same logs is sent later, whatever memory kept of it; what follows is."""
    for name in ("api.log", "worker.log"):
        shell.write(name, (LOGS / name).read_bytes())
    shell.write("forgotten.log", [customer_line("x"), deletion_line("x"), customer_line("x")])
    said = shell("prime", "--from-logs", "api.log", "worker.log", "forgotten.log")
    assert (said.code, said.out.count("rows of memory written")) == (0, 3)
    assert sent_by(shell, "api.log", "worker.log", "forgotten.log") == []
    shell.write("new.log", [customer_line("x"), customer_line("y")])
    assert sent_by(shell, "new.log") == ["customer_created"]


def test_who_belongs_to_an_organization_is_learnt_from_old_logs(shell: Shell) -> None:
    """Remembered values are primed, too: a request of later has its user."""
    shell.write("worker.log", (LOGS / "worker.log").read_bytes())
    shell("prime", "--from-logs", "worker.log")
    shell.write("api.log", [customer_line("y")])
    said = shell("backfill", "api.log", *ALL)
    assert json.loads(said.out)["userId"] == MEMBER


def test_priming_works_beside_a_writer(shell: Shell) -> None:
    """A daemon need not be stopped for it."""
    keys = shell.write("customers.csv", f"{ORGANIZATION},acme-1\n")
    with store_of(shell):
        assert shell("prime", "--event", "customer_created", str(keys)).code == 0


@pytest.mark.parametrize(
    ("event", "text", "words"),
    [
        ("customer_created", "secret-1\n", "customers.csv:1: 1 columns where 2 are needed"),
        ("customer_created", "secret-1,\n", "customers.csv:1: a part of the key is empty"),
        (
            "payment_status_changed",
            "a,b\nsecret-2,paid\n",
            "customers.csv:2: payment_status is not string, one of",
        ),
        ("customer_made", "a,b\n", 'did you mean "customer_created"?'),
        ("plan_created", "a,b\n", 'no rule remembers whether "plan_created" was seen before'),
        ("customer_created", 'a,"b\n', "not CSV"),
    ],
)
def test_a_list_of_anything_else_primes_nothing(shell: Shell, event: str, text: str, words: str) -> None:
    """The place, the columns that are needed, and no value; nothing of the file was taken."""
    said = shell("prime", "--event", event, str(shell.write("customers.csv", text).name))
    assert said.code == 1
    assert words in said.err
    assert "secret" not in said.err
    assert "nothing was primed" in said.err


def test_prime_wants_one_way(shell: Shell) -> None:
    """Keys or logs: a mistake in the options is 2, and nothing is done."""
    for arguments in (["f"], ["--event", "customer_created", "--from-logs", "f"], ["--event", "x", "f", "g"]):
        assert shell("prime", *arguments).code == 2
    assert not (shell.folder / "state").exists()


# dead letters


@pytest.fixture
def buried(shell: Shell) -> Shell:
    """A state with two dead letters, `a` and `b`, and one event that waits."""
    with store_of(shell) as store:
        store.record([], [fact("a", private="of a"), fact("b"), fact("c")])
        for stored in store.lease(2, 10_000).events:
            store.bury(stored, reason="bad_request", status=400)
    return shell


def test_the_list_has_reasons_and_no_message(buried: Shell) -> None:
    """What a terminal may show to anybody: id, event, reason, status, time."""
    said = buried("dead-letters", "list")
    assert said.code == 0
    assert "of a" not in said.out
    (row,) = [line for line in said.out.splitlines() if line.startswith(event_id("a")[:12])]
    assert row.split()[1:4] == ["plan_created", "bad_request", "400"]
    assert [json.loads(line)["id"] for line in buried("dead-letters", "list", "--json").out.splitlines()] == [
        event_id("a"),
        event_id("b"),
    ]


def test_one_is_shown_with_its_message(buried: Shell) -> None:
    """By the beginning of its id."""
    shown = json.loads(buried("dead-letters", "show", event_id("a")[:8]).out)
    assert (shown["id"], shown["message"]["properties"]["code"]) == (event_id("a"), "of a")


def test_replayed_it_waits_again_under_its_id(buried: Shell) -> None:
    """And is no dead letter any more."""
    assert buried("dead-letters", "replay", event_id("b")).code == 0
    report = json.loads(buried("status", "--json").out)
    assert (report["dead_letters"], report["outbox"]["events"]) == (1, 2)
    assert buried("dead-letters", "replay", "--all").out.startswith("1 events wait again")


def test_discarded_it_is_gone(buried: Shell) -> None:
    """Its message is erased."""
    assert buried("dead-letters", "discard", "--all").out.startswith("2 dead letters discarded")
    assert buried("dead-letters", "list").out == "no dead letters\n"


def test_an_id_that_names_none_changes_nothing(buried: Shell) -> None:
    """Neither do several, of which one is wrong; nor does the empty beginning stand for all."""
    for beginning in ("ffff0000", ""):
        said = buried("dead-letters", "discard", event_id("a"), beginning)
        assert said.code == 1
        assert "an id that begins with" in said.err
    assert json.loads(buried("status", "--json").out)["dead_letters"] == 2


@pytest.mark.parametrize("arguments", [[], ["--all", "abc"]])
def test_ids_or_all_must_be_said(buried: Shell, arguments: list[str]) -> None:
    """To give up all dead letters is never a default."""
    assert buried("dead-letters", "discard", *arguments).code == 2


# sent, resend


@pytest.fixture
def delivered(shell: Shell) -> Shell:
    """A state that delivered the events of the sample worker log."""
    shell.write("worker.log", (LOGS / "worker.log").read_bytes())
    assert len(sent_by(shell, "worker.log")) == 15
    return shell


def test_what_was_sent_is_shown_whole(delivered: Shell) -> None:
    """One object a delivery, with the message that was posted."""
    rows = [json.loads(line) for line in delivered("sent", "--format", "jsonl").out.splitlines()]
    assert len(rows) == 15
    assert rows[0].keys() == {"at", "destination", "rule", "origin", "message"}
    plans = delivered("sent", "--event", "plan_created", "--format", "jsonl").out.splitlines()
    assert {json.loads(line)["message"]["event"] for line in plans} == {"plan_created"}


def test_sent_knows_times(delivered: Shell) -> None:
    """Until an hour ago there was nothing; what is no time is refused with examples."""
    assert "0 events acknowledged" in delivered("sent", "--since", "2020-01-01", "--until", "1h").out
    assert "15 events acknowledged" in delivered("sent", "--since", "2020-01-01T10:00").out
    said = delivered("sent", "--since", "yesterday")
    assert said.code == 2
    assert "like 2026-11-22" in said.err


def test_resent_events_keep_their_ids(delivered: Shell) -> None:
    """A dry run only counts; then they wait again, and the same ids go out once more."""
    first = [
        json.loads(line)["message"]["messageId"]
        for line in delivered("sent", "--format", "jsonl").out.splitlines()
    ]
    assert delivered("resend", "--since", "1h", "--dry-run").out == "15 events would be sent again\n"
    assert json.loads(delivered("status", "--json").out)["outbox"]["events"] == 0
    assert delivered("resend", "--since", "1h", "--event", "plan_created").out.startswith(
        "2 events wait again"
    )
    assert delivered("resend", "--since", "1h").code == 0
    shell_out = delivered("backfill", "worker.log", *ALL).out
    assert sorted(json.loads(line)["messageId"] for line in shell_out.splitlines()) == sorted(first)


# forget


def test_an_organization_is_erased_and_the_rest_is_said(delivered: Shell) -> None:
    """No message with its id is left, and what only Segment can delete is named."""
    said = delivered("forget", "--organization", ORGANIZATION)
    assert said.code == 0
    assert "15 messages kept after their delivery" in said.out
    assert "Segment must be asked to delete" in said.out
    assert "never: [its id]" in said.out
    for path in (delivered.folder / "state").iterdir():
        assert ORGANIZATION.encode() not in path.read_bytes()
    assert sent_by(delivered, "worker.log") == []


@pytest.mark.parametrize("spelled", [ORGANIZATION, ORGANIZATION.upper()])
@pytest.mark.parametrize("unidentified", ["app", "anonymous"])
def test_no_byte_is_left_that_an_organization_could_be_found_by(
    shell: Shell, unidentified: str, spelled: str
) -> None:
    """Nor the members that were remembered of it, its pseudonym, its place in the funnel, or a digest to test against."""
    shell.write("extractor.yaml", CONFIG + f"unidentified_users: {unidentified}\nmetrics: 'off'\n")
    worker = (LOGS / "worker.log").read_bytes()
    # At first nobody knows who asked, and the pseudonym stands in; then a member is remembered.
    shell.write("worker.log", worker.replace(MEMBER.encode(), b"membership/unidentifiable") + worker)
    assert shell("backfill", "worker.log", *ALL).code == 0
    identity = Identity.of("of-the-tests")
    traces = {
        "the id": ORGANIZATION.encode(),
        "a member": MEMBER.encode(),
        "the digest of a member": identity.digest(MEMBER.encode()),
        "its key in the funnel": identity.organization_key(ORGANIZATION),
    }
    if unidentified == "anonymous":
        traces["its pseudonym"] = identity.anonymous_id(ORGANIZATION).encode()
    folder = shell.folder / "state"
    assert [name for name, trace in traces.items() if not list(files_with(folder, trace))] == []

    said = shell("forget", "--organization", spelled)

    assert said.code == 0
    assert "1 remembered values" in said.out
    assert [name for name, trace in traces.items() if list(files_with(folder, trace))] == []


def test_a_user_is_erased(delivered: Shell) -> None:
    """Named as in messages; the values that memory keeps go, too."""
    said = delivered("forget", "--user", MEMBER)
    assert "1 remembered values" in said.out
    assert "SUPPRESS_WITH_DELETE" in said.out


def test_an_id_that_nothing_is_stored_about_says_how_it_must_look(delivered: Shell) -> None:
    """A bare uuid is no user id: silence would be taken for success."""
    said = delivered("forget", "--user", MEMBER.rpartition("/")[2])
    assert "nothing was found: the id must be a user id as it stands in messages" in said.out


@pytest.mark.parametrize("arguments", [[], ["--user", "a", "--organization", "b"], ["--user", ""]])
def test_forget_wants_one_of_two(shell: Shell, arguments: list[str]) -> None:
    """Never both, never neither, never the empty text, which stands in every message."""
    assert shell("forget", *arguments).code == 2


@pytest.mark.parametrize(
    "command",
    [
        ["dead-letters", "list"],
        ["dead-letters", "replay", "--all"],
        ["sent"],
        ["resend", "--since", "1h"],
        ["forget", "--user", "a"],
    ],
)
def test_without_a_state_each_says_so(shell: Shell, command: list[str]) -> None:
    """Exit code 1 and words, not a new state."""
    said = shell(*command)
    assert said.code == 1
    assert "nothing has run with this state_dir yet" in said.err
    assert not (shell.folder / "state").exists()
