"""What was seen of an app's lines, in rows that the state keeps: names of rules, fields and kinds, counts and times.

Never a value. `drift` makes the rows, `alarm` says what follows from them. Imports nothing heavy: the store knows it.
"""

from dataclasses import dataclass
from enum import StrEnum

from extractor.decode.rubyinspect import GlobalID


class Sort(StrEnum):
    """What stands at a field."""

    MISSING = "missing"
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    OBJECT = "object"
    UNDECODABLE = "undecodable"


# Sorts of rows that are about no field.
MATCH, MISS, KIND, RENAMED = "match", "miss", "kind", "renamed"

BESIDE = "beside"
"""Lines on which a field is missing, and a name that never stood there holds what could be its value. `strict`: few
values could."""

_SORTS = {str: Sort.TEXT, int: Sort.NUMBER, float: Sort.NUMBER, bool: Sort.BOOLEAN, list: Sort.LIST}


def sort_of(value: object) -> Sort:
    """What a value is; null and absent are the same."""
    if value is None:
        return Sort.MISSING
    return _SORTS.get(type(value), Sort.OBJECT if isinstance(value, dict | GlobalID) else Sort.TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One row: what was seen of one thing.

    Attributes:
        rule: `pack/rule-id`; "" for a kind.
        kind: The kind of line; "" where it does not matter.
        field: The path, as the rule writes it; "" where the row is about no field.
        sort: A `Sort`, or what else the row counts.
        strict: Whether the rule cannot do without the field.
        lines: How many lines.
        run: How many of them since another sort stood there; 0: another one does.
        longest: The longest run that has ended.
        since: When the run began, Unix seconds.
        last_at: When the last line was.
    """

    rule: str = ""
    kind: str = ""
    field: str = ""
    sort: str = ""
    strict: bool = False
    lines: int = 0
    run: int = 0
    longest: int = 0
    since: float = 0.0
    last_at: float = 0.0

    @property
    def subject(self) -> tuple[str, str, str]:
        """What it is about: of rows of one subject that are no `BESIDE` one has a run, or that of missing and another."""
        return (self.rule, self.kind, self.field)
