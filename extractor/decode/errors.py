"""The one error of the text decoders: where a text stops being what it claims to be. Imports nothing."""

from enum import StrEnum


class Fault(StrEnum):
    """What is wrong with a text. A closed set, so that an error can never quote the text itself."""

    UNFINISHED = "the text ends too early"
    UNEXPECTED = "this is not expected here"
    UNBALANCED = "this closes what was not opened"
    TOO_DEEP = "nested too deeply"


class ParseError(ValueError):
    """A text is not in the notation it was taken for. The only error that the parsers of this package raise.

    Attributes:
        position: Index of the character at which it went wrong.
        fault: What is wrong there. Neither it nor the message ever holds a piece of the text.
    """

    def __init__(self, position: int, fault: Fault) -> None:
        super().__init__(f"character {position}: {fault.value}")
        self.position = position
        self.fault = fault
