"""What a GraphQL request asks for: the root fields of its document. Imports `errors` only.

Not a GraphQL parser: it reads what stands at the root and steps over the rest, and takes some documents that a server
would refuse. One pass of one regular expression cuts the tokens; what follows only counts brackets, so that depth
costs nothing and nothing recurses.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from extractor.decode.errors import Fault, ParseError

_OPERATIONS: Final = frozenset({"query", "mutation", "subscription"})
_OPENS: Final = frozenset("([{")
_CLOSES: Final = frozenset(")]}")

# Spaces, commas and comments before a token belong to it. A string without an end swallows the rest: the document then
# does not end with a brace, and no character is looked at twice. The end of the text is an empty token.
_TOKEN: Final = re.compile(
    r"""
    [\s,\ufeff]*+ (?: \#[^\r\n]*+ [\s,\ufeff]*+ )*+
    ( [A-Za-z_][0-9A-Za-z_]*+
    | [(){}:$!=@\[\]|&]
    | \.\.\.
    | "\""(?: [^"\\]++ | \\"\"" | \\ | "(?!"") )*+"\""
    | "\"".*+
    | "[^"\\\r\n]*+(?: \\. [^"\\\r\n]*+ )*+"
    | ".*+
    | [-0-9][-+.0-9A-Za-z]*+
    | .
    | \Z )
    """,
    re.VERBOSE | re.DOTALL,
)
_NAME_START: Final = re.compile(r"[A-Za-z_]")


@dataclass(frozen=True, slots=True)
class RootField:
    """One thing that the request asks the server to do.

    Attributes:
        operation: `query`, `mutation` or `subscription`.
        name: The field, never its alias.
        arguments: By name. Taken from the request's variables; an inline literal is not read and is None.
    """

    operation: str
    name: str
    arguments: dict[str, object] = field(repr=False)


def root_fields(
    query: str, variables: Mapping[str, object], operation_name: str | None = None
) -> list[RootField]:
    """The fields at the root of a document's operations, in their order.

    Total on any text and linear in its length. Of several operations a server runs the one that the request names:
    give `operation_name`, else the fields of all of them come out (with only one, its name does not matter). Fields
    behind a fragment at the root (`...F`, `... on Mutation {}`) are not seen; `@skip` and `@include` are not obeyed.

    Args:
        query: The document.
        variables: The request's variables; one that is missing is None, whatever its default.
        operation_name: The request's, to tell several operations apart; nothing else depends on it.

    Raises:
        ParseError: Nothing else. The text ends too early, or is no list of operations and fragments.
    """
    return _Scanner(query, variables).scan(operation_name)


def as_record(fields: Iterable[RootField]) -> list[dict[str, object]]:
    """The same as plain values, for the paths of the rule language: `operation`, `field`, `arguments`."""
    return [
        {"operation": found.operation, "field": found.name, "arguments": found.arguments} for found in fields
    ]


class _Scanner:
    """One scan of one document: its tokens, and how many of them are behind us."""

    __slots__ = ("_query", "_taken", "_tokens", "_variables")

    def __init__(self, query: str, variables: Mapping[str, object]) -> None:
        self._query = query
        self._variables = variables
        self._tokens: list[str] = _TOKEN.findall(query)
        self._taken = 0

    def scan(self, operation_name: str | None) -> list[RootField]:
        """The root fields of the one operation, of the named one, or of all."""
        self._expect_a_last_brace()
        operations: list[tuple[str | None, list[RootField]]] = []
        while token := self._tokens[self._taken]:
            if token in _OPERATIONS or token == "{":
                operations.append(self._scan_operation(token))
            elif token == "fragment":
                self._step_to_selection()
                self._step_over()
            else:
                raise self._unexpected()
        if not operations:
            raise self._unexpected()
        if len(operations) > 1 and operation_name is not None:
            operations = [operation for operation in operations if operation[0] == operation_name]
        return [found for _, fields in operations for found in fields]

    def _scan_operation(self, kind: str) -> tuple[str | None, list[RootField]]:
        name = None
        if kind == "{":
            kind = "query"
        else:
            self._taken += 1
            if _NAME_START.match(self._tokens[self._taken]):
                name = self._take_name()
            self._step_to_selection()
        self._taken += 1
        fields: list[RootField] = []
        while (token := self._tokens[self._taken]) != "}":
            if token == "...":
                self._taken += 1
                if _NAME_START.match(self._tokens[self._taken]):
                    on_type = self._take_name() == "on"
                    if on_type:
                        self._take_name()
            else:
                fields.append(self._scan_field(kind))
            self._step_over_directives()
            if self._tokens[self._taken] == "{":
                self._step_over()
        self._taken += 1
        return name, fields

    def _scan_field(self, operation: str) -> RootField:
        name = self._take_name()
        if self._tokens[self._taken] == ":":
            self._taken += 1
            name = self._take_name()
        arguments: dict[str, object] = {}
        if self._tokens[self._taken] == "(":
            self._taken += 1
            while self._tokens[self._taken] != ")":
                argument = self._take_name()
                if self._tokens[self._taken] != ":":
                    raise self._unexpected()
                self._taken += 1
                arguments[argument] = self._scan_value()
            self._taken += 1
        return RootField(operation, name, arguments)

    def _scan_value(self) -> object:
        token = self._tokens[self._taken]
        if token == "$":
            self._taken += 1
            return self._variables.get(self._take_name())
        if token in _OPENS:
            self._step_over()
        elif token in _CLOSES or not token:
            raise self._unexpected()
        else:
            self._taken += 1
        return None

    def _take_name(self) -> str:
        token = self._tokens[self._taken]
        if not _NAME_START.match(token):
            raise self._unexpected()
        self._taken += 1
        return token

    def _step_to_selection(self) -> None:
        """Over an operation's name, variables (with their defaults) and directives, to its opening brace."""
        while (token := self._tokens[self._taken]) != "{":
            if token in _OPENS:
                self._step_over()
            elif token in _CLOSES or not token:
                raise self._unexpected()
            else:
                self._taken += 1

    def _step_over_directives(self) -> None:
        while self._tokens[self._taken] == "@":
            self._taken += 1
            self._take_name()
            if self._tokens[self._taken] == "(":
                self._step_over()

    def _step_over(self) -> None:
        """From an opening bracket to behind the one that closes it."""
        depth = 0
        for number in range(self._taken, len(self._tokens)):
            token = self._tokens[number]
            if token in _OPENS:
                depth += 1
            elif token in _CLOSES:
                depth -= 1
                if not depth:
                    self._taken = number + 1
                    return
        self._taken = len(self._tokens) - 1
        raise self._unexpected()

    def _expect_a_last_brace(self) -> None:
        """Every document ends with one; a string without an end has swallowed it."""
        last = next((number for number in range(len(self._tokens) - 1, -1, -1) if self._tokens[number]), -1)
        if last < 0 or self._tokens[last] != "}":
            self._taken = last + 1
            raise self._unexpected()

    def _unexpected(self) -> ParseError:
        """The error for the token that is next. Tokens keep no positions, since hardly any document needs one."""
        token = self._tokens[self._taken]
        found = next(islice(_TOKEN.finditer(self._query), self._taken, None))
        return ParseError(found.start(1), Fault.UNEXPECTED if token else Fault.UNFINISHED)
