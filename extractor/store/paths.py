"""Paths as bytes: a file name need not be UTF-8, and SQLite's texts must be."""


def path_bytes(path: str) -> bytes:
    """The bytes of a path as the file system gave them; a name need not be UTF-8."""
    return path.encode("utf-8", "surrogateescape")


def path_text(path: bytes) -> str:
    """The inverse of `path_bytes`."""
    return path.decode("utf-8", "surrogateescape")
