"""Under what the state keeps an organization or a user: for `forget`. Pure; may import `ruleset` and `store`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from extractor.ruleset.identity import Identity, encode
from extractor.ruleset.load import Pack
from extractor.store import Traces

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Memories:
    """What the rules of packs remember values under, those that are switched off included.

    Attributes:
        by_one: Names of memories whose key is one id: it can be made again from the id.
        by_several: Of those whose key is several values together: one of them finds nothing.
    """

    by_one: tuple[str, ...]
    by_several: tuple[str, ...]

    @classmethod
    def of(cls, packs: Iterable[Pack]) -> "Memories":
        """Ask the rules."""
        declared = {one for pack in packs for rule in pack.rules for one in rule.remember}
        return cls(
            tuple(sorted({one.memory for one in declared if len(one.by) == 1})),
            tuple(sorted({one.memory for one in declared if len(one.by) > 1})),
        )


def traces_of(identifier: str, identity: Identity, memories: Memories, *, user: bool) -> Traces:
    """Everything that an id can be found by, in the spellings that an app gives a UUID."""
    spelled = {
        identifier,
        _UUID.sub(lambda found: found[0].lower(), identifier),
        _UUID.sub(lambda found: found[0].upper(), identifier),
    }
    # Where the log tells no user, `unidentified_users: anonymous` makes one of the organization.
    anonymous = set() if user else {identity.anonymous_id(text) for text in spelled}
    return Traces(
        texts=frozenset(spelled | anonymous),
        digests=frozenset(identity.digest(encode(text)) for text in spelled),
        keys=frozenset(
            identity.memory_key("value", memory, (text,)) for memory in memories.by_one for text in spelled
        ),
        organizations=frozenset() if user else frozenset(map(identity.organization_key, spelled)),
    )
