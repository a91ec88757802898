"""Drift from end to end: a log that changed half way, read by `run`, told by `status`."""

import json
from pathlib import Path

import pytest

from tests.commands import Shell

DATA = Path(__file__).parents[1] / "data" / "lago-1.51"
CUSTOMERS = b'"controller":"Api::V1::CustomersController","action":"create","status":200'
CHANGES = {
    "controller": (b"Api::V1::CustomersController", b"Api::V1::ClientsController"),
    "params.customer.external_id": (b'"external_id":', b'"external_key":'),
    "organization_id": (b'"organization_id":"', b'"organization_id":7,"was":"'),
}


def changed(old: bytes, new: bytes) -> bytes:
    """The log, with all customers of its second half changed."""
    lines = (DATA / "api.log").read_bytes().split(b"\n")
    mine = [number for number, line in enumerate(lines) if CUSTOMERS in line]
    half = mine[len(mine) // 2]
    return b"\n".join(
        line.replace(old, new) if number >= half and CUSTOMERS in line else line
        for number, line in enumerate(lines)
    )


def test_logs_as_they_were_written_need_nobody(shell: Shell) -> None:
    """No alarm, exit code 0."""
    for name in ("api.log", "worker.log"):
        shell.write(name, (DATA / name).read_bytes())
    assert shell("run", "--once").code == 0
    said = shell("status", "--json")
    assert (said.code, json.loads(said.out)["drift"], json.loads(said.out)["attention"]) == (0, [], [])


@pytest.mark.parametrize("field", CHANGES)
def test_what_changed_half_way_is_told_with_rule_field_and_since_when(shell: Shell, field: str) -> None:
    """First in `status`, in its exit code, and for programs."""
    shell.write("api.log", changed(*CHANGES[field]))
    assert shell("run", "--once").code == 0
    said = shell("status")
    assert said.code == 1
    attention = [line for line in said.out.splitlines() if line.startswith("ATTENTION")]
    assert any("lago/customer-created-rest" in line and field in line for line in attention)
    assert any(line.startswith("  since 20") and field in line for line in said.out.splitlines())
    found = {(one["rule"], one["field"]): one for one in json.loads(shell("status", "--json").out)["drift"]}
    assert found["lago/customer-created-rest", field]["since"] > 1_700_000_000


def test_a_second_run_goes_on_with_what_the_first_one_saw(shell: Shell) -> None:
    """The state keeps the counts: an app that changed while nobody looked is noticed all the same."""
    path = shell.write("api.log", (DATA / "api.log").read_bytes())
    assert shell("run", "--once").code == 0
    assert shell("status").code == 0
    lines = [line for line in path.read_bytes().split(b"\n") if CUSTOMERS in line][:5]
    with path.open("ab") as log:
        log.write(b"".join(line.replace(b'"external_id":', b'"external_key":') + b"\n" for line in lines))
    assert shell("run", "--once").code == 0
    assert "params.customer.external_id" in shell("status").out
