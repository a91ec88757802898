"""Names for facts: message ids, memory keys and digests, all keyed with the installation.

BLAKE2b keyed with `installation` (a config key, never state): the same fact has the same id in preview, on every
node of one installation and after the state was lost, and nobody outside can guess one. See ADR 0001.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

MESSAGE_ID_BYTES = 24
"""48 hexadecimal characters: Jitsu cuts ids to 64 and maps anything outside `[A-Za-z0-9._-]`; Segment takes 100."""
KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Identity:
    """The keyed hashes of one installation."""

    _key: bytes = field(repr=False)

    @classmethod
    def of(cls, installation: str) -> "Identity":
        """Derive the key from the config's text, of any length."""
        return cls(hashlib.blake2b(installation.encode("utf-8", "surrogatepass"), digest_size=32).digest())

    def message_id(self, event: str, natural_key: Iterable[bytes]) -> str:
        """The id of the fact that is `event` with this natural key."""
        return self._hash(b"message", MESSAGE_ID_BYTES, (event.encode(), *natural_key)).hex()

    def memory_key(self, kind: str, name: str, parts: Iterable[str]) -> bytes:
        """The key of a row of memory; `kind` keeps *once*/*changed* of an event apart from what is remembered."""
        return self._hash(b"memory", KEY_BYTES, (kind.encode(), name.encode(), *map(encode, parts)))

    def digest(self, value: bytes) -> bytes:
        """A value (or a line) that can be compared later and never read."""
        return self._hash(b"digest", KEY_BYTES, (value,))

    def anonymous_id(self, organization: str) -> str:
        """A stable pseudonym of an organization, for `unidentified_users: anonymous`."""
        return self._hash(b"anonymous", KEY_BYTES, (encode(organization),)).hex()

    def _hash(self, purpose: bytes, size: int, parts: Iterable[bytes]) -> bytes:
        # Each part is preceded by its length: ("ab", "c") and ("a", "bc") are different facts.
        state = hashlib.blake2b(key=self._key, digest_size=size, person=purpose)
        for part in parts:
            state.update(len(part).to_bytes(8, "big") + part)
        return state.digest()


def encode(text: str) -> bytes:
    """UTF-8 that takes any text: Ruby can spell lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


def key_part(value: object) -> str | None:
    """A value as a part of a key: the app treats 12 and "12" as one id, so they are one here. None: no key."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
        case _:
            return None
