import errno
import io
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.destination.stdout import StdoutDestination
from extractor.destination.verdict import DeliveryReason, Verdict, VerdictKind

ACCEPTED = Verdict(VerdictKind.DELIVERED, DeliveryReason.ACCEPTED)


def printed(*messages: bytes) -> bytes:
    """What comes out."""
    stream = io.BytesIO()
    assert StdoutDestination(stream).send(messages) == ACCEPTED
    return stream.getvalue()


def test_each_message_is_one_line_and_printed_as_it_is() -> None:
    """Plain messages come out byte for byte."""
    first, second = b'{"messageId":"a"}', '{"name":"Café Zürich 東京 😀"}'.encode()
    assert printed(first, second) == first + b"\n" + second + b"\n"


@given(st.dictionaries(st.text(), st.text()))
def test_a_printed_message_is_the_same_json_value_on_one_line(message: dict[str, str]) -> None:
    """Escaping changes the spelling, never the value."""
    line = printed(json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    assert line.count(b"\n") == 1
    assert json.loads(line.decode("utf-8", "surrogatepass")) == message


@pytest.mark.parametrize(
    "character", ["\x1b", "\x7f", "\x80", "\x9b", "\x9f", "\u200b", "\u2028", "\u202e", "\u2066", "\u2069"]
)
def test_nothing_that_a_terminal_acts_on_comes_out_raw(character: str) -> None:
    """Names in events are chosen by strangers; an escape sequence in one must not reach the operator's terminal."""
    line = printed(json.dumps({"name": f"a{character}[31mb"}, ensure_ascii=False).encode()).decode()
    assert character not in line
    assert json.loads(line)["name"] == f"a{character}[31mb"


class Refusing(io.BytesIO):
    """A stream that fails."""

    def __init__(self, error: int) -> None:
        super().__init__()
        self._error = error

    def flush(self) -> None:
        """Fails."""
        raise OSError(self._error, os.strerror(self._error))


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (errno.EPIPE, Verdict(VerdictKind.HOLD, DeliveryReason.OUTPUT_CLOSED)),
        (errno.EBADF, Verdict(VerdictKind.HOLD, DeliveryReason.OUTPUT_CLOSED)),
        (errno.ENOSPC, Verdict(VerdictKind.RETRY, DeliveryReason.OUTPUT_FAILED)),
        (errno.EIO, Verdict(VerdictKind.RETRY, DeliveryReason.OUTPUT_FAILED)),
    ],
)
def test_output_that_fails_is_no_delivery(error: int, verdict: Verdict) -> None:
    """`| head` holds, a full disk is tried again; neither counts as printed."""
    assert StdoutDestination(Refusing(error)).send([b"{}"]) == verdict


def test_a_closed_stream_holds() -> None:
    """Closed by this process."""
    stream = io.BytesIO()
    stream.close()
    assert StdoutDestination(stream).send([b"{}"]) == Verdict(VerdictKind.HOLD, DeliveryReason.OUTPUT_CLOSED)


def test_the_standard_output_of_the_moment_is_used(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Looked up when it is written to, so that it may be redirected."""
    destination = StdoutDestination()
    assert destination.send([b"{}"]) == ACCEPTED
    assert capfdbinary.readouterr().out == b"{}\n"
    assert destination.name == "stdout"
