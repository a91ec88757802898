"""CRC-32 over the rows whose silent change would lose or alter an event. SQLite keeps no checksums of its own.

Not a defence against people who can write to the state: only against disks.
"""

import struct
from zlib import crc32

from extractor.checkpoint import Checkpoint

ROW_ERRORS = (AttributeError, OverflowError, TypeError, ValueError, struct.error)
"""What a row can raise in which nothing is where it was: the damage of a page respects no types."""


def seal_event(  # noqa: PLR0917 - once for each event; keywords would cost
    message_id: bytes,
    name: str,
    rule: str,
    message: bytes,
    time: float,
    time_source: str,
    path: bytes,
    offset: int,
) -> int:
    """The seal of a stored event."""
    head = b"%b%b\0%b\0%b\0%b\0%d\0%b" % (
        message_id,
        name.encode(),
        rule.encode(),
        time_source.encode(),
        path,
        offset,
        struct.pack("<d", time),
    )
    return crc32(message, crc32(head))


def seal_memory(key: bytes, standing: int, digest: bytes, reset: bytes, primed: int) -> int:
    """The seal of a row of memory, without its value, which may be erased in place."""
    return crc32(b"%b\0%d\0%b\0%b\0%d" % (key, standing, digest, reset, primed))


def seal_checkpoint(checkpoint: Checkpoint) -> int:
    """The seal of a checkpoint: every field, so that a flipped bit cannot move an offset ahead."""
    return crc32(
        repr(
            (
                checkpoint.file_id,
                checkpoint.path,
                checkpoint.device,
                checkpoint.inode,
                checkpoint.offset,
                checkpoint.size,
                bytes(checkpoint.identity),
                checkpoint.lost_bytes,
                # As SQLite gives it back: 5 comes back as 5.0.
                None if checkpoint.gone_since is None else float(checkpoint.gone_since),
            )
        ).encode("utf-8", "surrogateescape")
    )


def seal_value(value: str) -> bytes:
    """A remembered value with its own seal in front, so that it can be erased without touching the row's."""
    text = value.encode("utf-8", "surrogatepass")
    return struct.pack("<I", crc32(text)) + text


def unseal_value(sealed: bytes) -> str | None:
    """The inverse of `seal_value`; None if it is not what was written."""
    text = sealed[4:]
    return text.decode("utf-8", "surrogatepass") if struct.pack("<I", crc32(text)) == sealed[:4] else None
