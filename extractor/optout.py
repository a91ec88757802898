"""Opt-out: whether anything may leave, and what follows for the state when that changes.

The word is asked before each transaction and each request, so it takes effect within a second, whoever gives it.
What was stored is purged when it begins. While it lasts everything is read as ever, but only keyed hashes are kept,
and when it ends, what was written until then is read in the same way: so none of it is ever sent.
"""

import os
from collections.abc import Callable, Mapping

from extractor.config import Config
from extractor.logs import tell
from extractor.store import Clock, Store, StoreUnavailable
from extractor.store import OptOut as InForce
from extractor.telemetry import OPT_OUT_LIFTED, OPTED_OUT_BEGAN, PURGE_DUE

MARKER = "OPT_OUT"
"""A file of this name in the state folder opts out: `touch` is all an operator needs."""


class OptOut:
    """The operator's word, read anew each time. Any thread."""

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        """Make one; `environ` is this process's own, which nobody can change from outside."""
        self._named = config.opted_out_by(environ)
        self._marker = str(config.state_dir / MARKER)

    def by(self) -> str | None:
        """The variable, key or file that forbids sending, or None."""
        if self._named is not None:
            return self._named
        # Whatever cannot be looked at is no permission: only "there is no such file" is.
        try:
            os.lstat(self._marker)
        except FileNotFoundError:
            return None
        except OSError:
            return MARKER
        return MARKER

    def allowed(self) -> bool:
        """Whether anything may be stored or leave."""
        return self.by() is None


class Obedience:
    """Brings the state to what the word says. One thread, before each step of reading."""

    def __init__(self, word: OptOut, store: Store, clock: Clock) -> None:
        """Read once what the state knows of an opt-out before this process."""
        self._word = word
        self._store = store
        self._clock = clock
        self._known = store.status().opt_out
        self._allowed = word.allowed()
        self._purged = False
        self._told_due = False

    def outdated(self) -> bool:
        """Whether the word has changed since `follow` heard it: end the step, and follow again."""
        return self._word.allowed() is not self._allowed

    def follow(self, skip: Callable[[float], bool]) -> None:
        """Purge when an opt-out has begun; when it has ended, skip what was written meanwhile, and lift it.

        What the disk refuses is tried again at the next call. Until then nothing leaves, nor is anything stored.

        Args:
            skip: Reads everything that is there to be read, suppressed; given the unix seconds since when the
                opt-out was in force. False if it did not come to the end: then the opt-out goes on.

        Raises:
            StoreBroken: The state is damaged; the next start sets it aside.
        """
        by = self._word.by()
        self._allowed = by is None
        try:
            if by is not None:
                self._purge(by)
            elif self._known is not None and skip(self._known.since) and self._word.allowed():
                self._store.opt_in()
                suppressed = self._store.status().suppressed
                tell(OPT_OUT_LIFTED, by=self._known.by, since=self._known.since, suppressed=suppressed)
                self._known, self._purged = None, False
        except StoreUnavailable as error:
            if not self._told_due:
                self._told_due = True
                tell(PURGE_DUE, problem=error)

    def _purge(self, by: str) -> None:
        if self._purged:
            return
        if self._known is None:
            # Known before it is written: however little of the purge is done, lifting must take it back.
            self._known = InForce(self._clock.now(), by)
        self._store.opt_out(by)
        self._known = self._store.status().opt_out
        self._purged, self._told_due = True, False
        if self._known is not None:
            tell(OPTED_OUT_BEGAN, by=self._known.by, since=self._known.since)
