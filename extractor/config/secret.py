"""A text that is shown to nobody but the one who asks for it by name."""

from hmac import compare_digest
from typing import NoReturn, Self


class Secret:
    """Holds a text that `repr`, `str`, formatting, tracebacks and pickles never show."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; the caller must not keep it in a variable that a traceback could show."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        message = "a secret is never pickled"
        raise TypeError(message)
