"""Files beside one that vanished, under names like rotated copies' or with its inode, and what their bytes prove."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from extractor.source.beside import Beside
from extractor.source.followed import Followed
from extractor.source.handle import open_handle
from extractor.source.identity import HEAD, Compared, Verdict
from extractor.source.names import is_compressed, is_sibling
from extractor.source.register import Register
from extractor.telemetry import IncidentKind


class Siblings:
    """Finds and judges what no source wants, or nobody follows, beside the files that are known."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._beside = Beside()

    def clear(self) -> None:
        """What is asked for next was noticed after what was listed so far."""
        self._beside.clear()

    def of(self, file: Followed) -> Iterator[tuple[str, os.stat_result]]:
        """Files beside a vanished one that have its inode, or a name like a rotated copy's, and are not known.

        Compressed ones come last: what is still there as it was is better.
        """
        live = os.path.basename(file.lineage)
        found: list[tuple[bool, str]] = []
        near_paths = (file.lineage, file.path, os.path.realpath(file.path))
        for folder in dict.fromkeys(os.path.dirname(path) for path in near_paths):
            try:
                near = self._beside.near(folder, file.key[1], live)
            except OSError:
                continue  # the folder went too: nothing to be found there now
            found += [(is_compressed(path), path) for path in near]
        for _, path in sorted(found):
            try:
                status = os.stat(path)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in self._register.present:
                yield path, status

    def continue_at(self, gone: Followed, path: str, status: os.stat_result) -> Compared | None:
        """What makes the file at a path the continuation of a vanished one, or None.

        It has all the bytes that were read of it (if there were none: its first line, or all that was seen); or it
        has its inode, and some of them. A file of which nothing is known but that it was empty is followed by its
        inode, if the name fits too.

        Raises:
            PermissionError: It cannot be opened for now.
        """
        name = os.path.basename(path)
        try:
            handle = open_handle(path)
        except PermissionError:
            raise
        except OSError:
            return None
        try:
            # How long a compressed one is shows only at its end.
            size = max(gone.offset, min(gone.size, HEAD[-1])) if is_compressed(name) else handle.size()
            compared = gone.identity.compare(handle.read_at, size, gone.offset)
        except OSError:
            return None
        finally:
            handle.close()
        # Of one that was emptied, other bytes have the inode.
        emptied = gone.unresolved is IncidentKind.TRUNCATED
        same_inode = (status.st_dev, status.st_ino) == gone.key and not is_compressed(name) and not emptied
        if compared.verdict is Verdict.CUT:
            return compared if same_inode and compared.proven else None
        if compared.verdict is Verdict.REWRITTEN:
            return None
        if not (gone.offset or compared.line or same_inode or is_compressed(name) or size >= gone.seen):
            return None  # it only begins alike
        fits = same_inode and not gone.identity.places and is_sibling(name, os.path.basename(gone.lineage))
        return compared if compared.proven or fits else None

    def have_all_of(self, file: Followed) -> bool:
        """Whether a sibling holds all that was read of a file that is shorter now: it was emptied, not cut.

        If nothing was read, all that was seen: another that begins alike would do else.
        """
        self.clear()
        for path, status in self.of(file):
            if not (file.offset or is_compressed(path) or status.st_size >= file.size):
                continue
            with suppress(PermissionError):
                if self.continue_at(file, path, status) is not None:
                    return True
        return False
