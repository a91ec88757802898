"""Names for facts: message ids, memory keys and digests, all keyed with the installation.

BLAKE2b keyed with `installation` (a config key, never state): the same fact has the same id in preview, on every
node of one installation and after the state was lost, and nobody outside can guess one. See ADR 0001.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache

MESSAGE_ID_BYTES = 24
"""48 hexadecimal characters: Jitsu cuts ids to 64 and maps anything outside `[A-Za-z0-9._-]`; Segment takes 100."""
KEY_BYTES = 16


_KNOWN_KEYS = 8192
_SHORT = 255
"""Memory keys that are kept at hand, and characters of what they are made of: one an organization is asked for with
every line, and a line can hold a key of a megabyte."""


class Identity:
    """The keyed hashes of one installation. Immutable; `repr` does not show the key."""

    __slots__ = (
        "_anonymous",
        "_digest",
        "_key",
        "_known_digest",
        "_known_memory_key",
        "_memory",
        "_message",
        "organization_key",
    )

    organization_key: Callable[[str], bytes]
    """Stands for an organization in the funnel."""

    def __init__(self, key: bytes) -> None:
        """Make one from a key of 32 bytes."""
        self._key = key
        # States that have taken in the key already: to copy one costs half of making it.
        self._message = hashlib.blake2b(key=key, digest_size=MESSAGE_ID_BYTES, person=b"message")
        self._memory = hashlib.blake2b(key=key, digest_size=KEY_BYTES, person=b"memory")
        self._digest = hashlib.blake2b(key=key, digest_size=KEY_BYTES, person=b"digest")
        self._anonymous = hashlib.blake2b(key=key, digest_size=KEY_BYTES, person=b"anonymous")
        self._known_memory_key = lru_cache(_KNOWN_KEYS)(self._memory_key)
        self._known_digest = lru_cache(_KNOWN_KEYS)(self._text_digest)
        self.organization_key = lru_cache(_KNOWN_KEYS)(self._organization_key)

    def __reduce__(self) -> tuple[type["Identity"], tuple[bytes]]:
        return Identity, (self._key,)

    @classmethod
    def of(cls, installation: str) -> "Identity":
        """Derive the key from the config's text, of any length."""
        return cls(hashlib.blake2b(encode(installation), digest_size=32).digest())

    def message_id(self, event: str, natural_key: Iterable[bytes]) -> str:
        """The id of the fact that is `event` with this natural key."""
        return self.message_ids(event)(natural_key)

    def message_ids(self, event: str, *begin: bytes) -> Callable[[Iterable[bytes]], str]:
        """What makes the ids of facts of one event, given their natural keys behind what all of these begin with."""
        prepared = _fed(self._message.copy(), (event.encode(), *begin))

        def message_id(natural_key: Iterable[bytes]) -> str:
            return _fed(prepared.copy(), natural_key).hexdigest()

        return message_id

    def digest(self, value: bytes) -> bytes:
        """A value (or a line) that can be compared later and never read."""
        return _fed(self._digest.copy(), (value,)).digest()

    def anonymous_id(self, organization: str) -> str:
        """A stable pseudonym of an organization, for `unidentified_users: anonymous`."""
        return _fed(self._anonymous.copy(), (encode(organization),)).hexdigest()

    def _organization_key(self, organization: str) -> bytes:
        return self._memory_key("organization", "", (organization,))

    def memory_key(self, kind: str, name: str, parts: tuple[str, ...]) -> bytes:
        """Kind, name and parts to the key of a row of memory.

        The kind keeps *once* and *changed* of an event apart from what is remembered.
        """
        short = sum(map(len, parts)) <= _SHORT
        return self._known_memory_key(kind, name, parts) if short else self._memory_key(kind, name, parts)

    def text_digest(self, text: str) -> bytes:
        """`digest` of a text's UTF-8."""
        return self._known_digest(text) if len(text) <= _SHORT else self._text_digest(text)

    def _memory_key(self, kind: str, name: str, parts: tuple[str, ...]) -> bytes:
        return self.memory_keys(kind, name)(parts)

    def memory_keys(self, kind: str, name: str) -> Callable[[tuple[str, ...]], bytes]:
        """`memory_key` for keys of one kind and name that hardly repeat: none is kept at hand."""
        prepared = _fed(self._memory.copy(), (kind.encode(), name.encode()))

        def memory_key(parts: tuple[str, ...]) -> bytes:
            return _fed(prepared.copy(), map(encode, parts)).digest()

        return memory_key

    def _text_digest(self, text: str) -> bytes:
        return self.digest(encode(text))


def _fed(state: "hashlib.blake2b", parts: Iterable[bytes]) -> "hashlib.blake2b":
    # Each part is preceded by its length: ("ab", "c") and ("a", "bc") are different facts.
    for part in parts:
        state.update(len(part).to_bytes(8, "big") + part)
    return state


def encode(text: str) -> bytes:
    """UTF-8 that takes any text: Ruby can spell lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


def key_part(value: object) -> str | None:
    """A value as a part of a key: the app treats 12 and "12" as one id, so they are one here. None: no key."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else None
