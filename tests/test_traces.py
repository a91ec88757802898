"""By what `forget` finds somebody: ids as they are spelled, and the keyed hashes that stand for them."""

from extractor import document
from extractor.ruleset.identity import Identity
from extractor.ruleset.load import load_pack
from extractor.traces import Memories, traces_of
from tests.packs import shipped_pack

IDENTITY = Identity.of("of the tests")
ORGANIZATION = "0eb22b12-d903-4cfa-b55f-77e5847bf330"
PACK = """\
pack: shop
version: 1
about: A shop
events: {order_placed: {about: An order}}
rules:
  - id: who
    about: Tells who it is
    when: [{field: job, equals: Who}]
    remember:
      - {memory: %s, by: [%s], value: {from: person, pattern: '[a-z]+'}}
    examples: [{line: '{"job":"Who"}', gives: []}]
"""


def test_every_memory_of_the_packs_is_asked() -> None:
    """Also of rules that are switched off by now: what they remembered is still there."""
    assert Memories.of([shipped_pack()]) == Memories(("member",), ())


def test_a_key_of_several_values_is_named() -> None:
    """It cannot be made from one id, which must be said rather than passed over."""
    memories = Memories.of([load_pack(document.load(PACK % ("place", "shop, till"), "pack.yaml"))])
    assert memories == Memories((), ("place",))
    assert traces_of("a", IDENTITY, memories, user=False).keys == frozenset()


def test_an_organization_is_found_by_all_that_is_made_of_its_id() -> None:
    """The id in either case, its pseudonym, the members remembered under it, the funnel."""
    traces = traces_of(ORGANIZATION, IDENTITY, Memories(("member",), ()), user=False)
    assert {ORGANIZATION, ORGANIZATION.upper(), IDENTITY.anonymous_id(ORGANIZATION)} <= traces.texts
    assert IDENTITY.memory_key("value", "member", (ORGANIZATION,)) in traces.keys
    assert IDENTITY.organization_key(ORGANIZATION) in traces.organizations


def test_a_user_is_no_organization() -> None:
    """No pseudonym and no funnel; the digest is there, as memory keeps it under an opt-out."""
    user = f"membership/{ORGANIZATION}"
    traces = traces_of(user, IDENTITY, Memories(("member",), ()), user=True)
    assert traces.texts == {user, f"membership/{ORGANIZATION.upper()}"}
    assert IDENTITY.digest(user.encode()) in traces.digests
    assert traces.organizations == frozenset()


def test_the_id_does_not_show() -> None:
    """An operator's command is no reason to print whom it is about."""
    assert ORGANIZATION not in repr(traces_of(ORGANIZATION, IDENTITY, Memories((), ()), user=False))
