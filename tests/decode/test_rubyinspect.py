"""What Ruby printed is read back exactly; any other text is refused in one way, in linear time."""

import json
import math
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.decode import rubyinspect
from extractor.decode.errors import Fault, ParseError
from extractor.decode.rubyinspect import MAX_DEPTH, GlobalID, Opaque, Value, parse_arguments

DATA = Path(__file__).parent.parent / "data"
SAMPLES = Path(os.environ.get("EXTRACTOR_RUBY_INSPECT_DIR", DATA))


def recorded(value: Value) -> Any:  # noqa: ANN401  # JSON
    """A value as the recordings spell it."""
    match value:
        case GlobalID(uri):
            return {"__gid__": uri}
        case Opaque(text):
            return {"__opaque__": text}
        case list():
            return [recorded(element) for element in value]
        case dict():
            return {key: recorded(element) for key, element in value.items()}
        case _:
            return value


def read_slowly(text: str) -> list[Value]:
    """The long way through, also for texts that the short way takes."""
    return rubyinspect._Reader(text).read()


@pytest.mark.parametrize("version", ["3.3", "3.4"])
def test_every_recorded_row_gives_its_recorded_values(version: str) -> None:
    """What Ruby printed comes back with the same values and types, by both ways through."""
    rows = [json.loads(line) for line in (SAMPLES / f"ruby-inspect-{version}.jsonl").open(encoding="utf-8")]
    assert len(rows) >= 100
    for row in rows:
        for read in (parse_arguments, read_slowly):
            # `repr` tells 1 from 1.0 and from True, which `==` does not.
            assert repr(recorded(read(row["arguments"]))) == repr(row["values"])
