"""The open handles: bounded, the least recently changed file gives way, and none that would lose bytes."""

from collections import OrderedDict

from extractor.source.followed import Followed, State
from extractor.source.handle import Handle, open_handle
from extractor.source.identity import Compared, Verdict


class Handles:
    """Opens and closes files.

    A handle on a file that can be reached by no path and is not drained is never closed for the bound: it is
    the only way to its bytes.
    """

    def __init__(self, max_open: int) -> None:
        self._max_open = max_open
        self._open: OrderedDict[str, Followed] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def open(self, file: Followed) -> bool:
        """Open a file where it was last seen. False if another file is there by now: look again.

        Raises:
            OSError: It cannot be opened.
        """
        if file.handle is not None:
            self._open.move_to_end(file.file_id)
            return True
        handle = open_handle(file.path)
        found = handle.stat()
        if (found.st_dev, found.st_ino) != file.key:
            handle.close()
            return False
        self._take(file, handle)
        return True

    def compare(self, file: Followed, known: Followed) -> Compared | None:
        """Hold the bytes of one file against what is known of another; None if they cannot be read now."""
        try:
            return known.identity.compare(file.read_at, file.size, known.offset) if self.open(file) else None
        except OSError:
            return None

    def has_all_of(self, file: Followed, known: Followed) -> bool:
        """Whether a file has all the bytes that were read of another, and of what was seen all that it is long enough for."""
        compared = self.compare(file, known)
        return compared is not None and compared.verdict is Verdict.SAME and compared.proven

    def hand_over(self, opened: Followed, file: Followed) -> None:
        """The handle that was opened for one turns out to be that of another."""
        self.close(file)  # where it had one to the place that it left
        handle = opened.handle
        assert handle is not None
        opened.handle = None
        del self._open[opened.file_id]
        self._take(file, handle)

    def close(self, file: Followed) -> None:
        """Close a file, if it is open."""
        if file.handle is not None:
            file.handle.close()
            file.handle = None
            del self._open[file.file_id]

    def close_all(self) -> None:
        """Close every file."""
        for file in list(self._open.values()):
            self.close(file)

    def _take(self, file: Followed, handle: Handle) -> None:
        file.handle = handle
        self._open[file.file_id] = file
        if len(self._open) > self._max_open:
            self._make_room(file)

    def _make_room(self, keep: Followed) -> None:
        for file in self._open.values():
            if file is not keep and file.state is State.PRESENT:
                self.close(file)
                return
