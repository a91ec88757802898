"""`run --once`: what is read is sent while reading goes on; the end waits for delivery as long as that can help."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import cast

from extractor import collect, deliver
from extractor.daemon.once import Once
from extractor.daemon.parts import Work
from extractor.daemon.process import Exit

Kind = deliver.ProgressKind
PATIENCE_S = 20.0


class FakeDeliverer:
    """Sends what waits, a batch a step, or only says what the script says."""

    def __init__(self, script: Iterable[Kind] = ()) -> None:
        self.script = deque(script)
        self.waiting = 0
        self.sent = threading.Event()
        self.bell = threading.Event()

    def step(self) -> deliver.Progress:
        if len(self.script) > 1:
            return deliver.Progress(kind=self.script.popleft())
        if self.script:
            return deliver.Progress(kind=self.script[0], wait_s=60)
        if not self.waiting:
            return deliver.Progress(kind=Kind.IDLE, wait_s=60)
        self.waiting -= 1
        self.sent.set()
        return deliver.Progress(kind=Kind.SENT)

    def rest(self, wait_s: float) -> None:
        if wait_s:
            self.bell.wait(PATIENCE_S)
            self.bell.clear()

    def wake(self) -> None:
        self.bell.set()


def run(
    deliverer: FakeDeliverer,
    drains: list[Callable[[], collect.ProgressKind]],
    outbox_full: Callable[[], bool],
) -> Exit:
    """One pass whose reading is what `drains` do, one after the other; how it ended."""
    left = deque(drains)
    work = SimpleNamespace(
        deliverer=deliverer,
        intake=None,
        store=SimpleNamespace(outbox_full=outbox_full),
        observer=SimpleNamespace(collected=lambda _: None, counts=dict),
        obedience=SimpleNamespace(follow=lambda _: None, outdated=lambda: False),
        compressed=list,
        build_reader=lambda _: SimpleNamespace(places={}),
        build_collector=lambda _: SimpleNamespace(drain=lambda: collect.Progress(kind=left.popleft()())),
        prune=lambda: None,
    )
    once = Once(cast(Work, work), threading.Event(), threading.Event())
    loops = [threading.Thread(target=loop, daemon=True) for loop in (once.run, once.deliver)]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join(PATIENCE_S)
    assert not any(loop.is_alive() for loop in loops)
    assert not left
    return once.result


def test_what_is_read_is_sent_while_reading_goes_on() -> None:
    """Reading does not end here before something of it was sent; then all is waited for."""
    deliverer = FakeDeliverer()

    def read() -> collect.ProgressKind:
        deliverer.waiting = 3
        deliverer.wake()
        assert deliverer.sent.wait(PATIENCE_S)
        return collect.ProgressKind.READ

    assert run(deliverer, [read], lambda: False) is Exit.FINE
    assert deliverer.waiting == 0


def test_a_hold_ends_the_pass_after_everything_was_read() -> None:
    """A server that refuses keeps nothing from being recorded, and the exit says that something was left undone."""
    read: list[int] = []

    def drain() -> collect.ProgressKind:
        read.append(1)
        return collect.ProgressKind.READ

    assert run(FakeDeliverer([Kind.HELD]), [drain], lambda: False) is Exit.PROBLEMS
    assert read == [1]


def test_a_retry_is_waited_for() -> None:
    """A server that is away for a while delays the end, and changes nothing else."""
    deliverer = FakeDeliverer([*[Kind.RESTING] * 100, Kind.IDLE])

    assert run(deliverer, [lambda: collect.ProgressKind.READ], lambda: False) is Exit.FINE
    assert list(deliverer.script) == [Kind.IDLE]


def test_reading_goes_on_as_soon_as_there_is_room() -> None:
    """A full outbox need not be emptied to the last event before more is read."""
    deliverer = FakeDeliverer()

    def fill() -> collect.ProgressKind:
        deliverer.waiting = 1000
        deliverer.wake()
        return collect.ProgressKind.FULL

    def read() -> collect.ProgressKind:
        return collect.ProgressKind.READ

    assert run(deliverer, [fill, read], lambda: deliverer.waiting > 900) is Exit.FINE
    assert deliverer.waiting == 0


def test_nothing_may_leave_is_no_failure() -> None:
    """Opted out: all is read, nothing is sent, and that is as it should be."""
    drained = [lambda: collect.ProgressKind.READ]

    assert run(FakeDeliverer([Kind.OPTED_OUT]), drained, lambda: False) is Exit.FINE
