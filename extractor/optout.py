"""Whether anything may leave: asked before each transaction and each request, so it takes effect within a second."""

from collections.abc import Mapping

from extractor.config import Config

MARKER = "OPT_OUT"
"""A file of this name in the state folder opts out: `touch` is all an operator needs."""


class OptOut:
    """The operator's word, read anew each time. Any thread."""

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        """Make one; `environ` is this process's own, which nobody can change from outside."""
        self._named = config.opted_out_by(environ)
        self._marker = config.state_dir / MARKER

    def by(self) -> str | None:
        """The variable, key or file that forbids sending, or None."""
        if self._named is not None:
            return self._named
        # Whatever cannot be looked at is no permission: only "there is no such file" is.
        try:
            self._marker.lstat()
        except FileNotFoundError:
            return None
        except OSError:
            return MARKER
        return MARKER

    def allowed(self) -> bool:
        """Whether anything may be stored or leave."""
        return self.by() is None
