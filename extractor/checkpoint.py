"""What must survive a restart about one file: one frozen value, one row in the store.

A leaf, imported by `source` (which makes and understands it), `store` (which keeps it) and `collect`
(which carries it from one to the other in the same transaction as the events).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far one file has been read, and how to know it again.

    Attributes:
        file_id: A random name given at first sight, never reused. Not a path, not an inode.
        path: Where the file was last seen, for people and for `status`.
        device: `st_dev` at the last look.
        inode: `st_ino` at the last look. Only a hint: inodes are reused.
        offset: Byte at which reading goes on. All complete lines before it are recorded; an unfinished
            Docker or CRI piece keeps it at the first byte of its first piece.
        size: Bytes in the file at the last look; `size - offset` is the lag.
        identity: What `source` needs to know the file again (hashes of its head, of the bytes before the
            offset and of some earlier places). Opaque to everyone else, never holds bytes of a line.
        lost_bytes: Bytes of this file that were seen by a stat and were gone before they could be read.
        gone_since: Unix seconds since when no path leads to the file, or None while one does.
    """

    file_id: str
    path: str
    device: int
    inode: int
    offset: int
    size: int
    identity: bytes = b""
    lost_bytes: int = 0
    gone_since: float | None = None
