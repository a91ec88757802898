"""Kill -9 of a writer, at moments that nobody chose."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.storing import event_id, open_store

WRITER = """
import sys
from pathlib import Path
from tests.storing import FakeClock, checkpoint, fact, open_store
store = open_store(Path(sys.argv[1]))
known = store.checkpoints()
number = known[0].offset if known else 0
while True:
    store.record([checkpoint("a", number + 3)], [fact(str(n), once=f"k{n}", size=n % 7 * 900) for n in range(number, number + 3)])
    number += 3
    batch = store.lease(2, 1 << 20)
    store.acknowledge(batch)
    print(number, *(stored.event.message_id for stored in batch.events), flush=True)
"""


@pytest.mark.parametrize("seed", range(8))
def test_kill_leaves_events_and_checkpoint_in_step(seed: int, tmp_path: Path) -> None:
    """Every event before the checkpoint is there once: waiting, or in the ledger if its acknowledgement returned."""
    rng = random.Random(seed)
    acknowledged: set[str] = set()
    recorded = 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
        )
        assert process.stdout is not None
        for _ in range(rng.randrange(1, 40)):
            number, *ids = process.stdout.readline().split()
            recorded = int(number)
            acknowledged |= set(ids)
        process.kill()
        for line in process.communicate()[0].splitlines(keepends=True):
            if line.endswith("\n"):
                number, *ids = line.split()
                recorded = int(number)
                acknowledged |= set(ids)

    store = open_store(tmp_path)
    (known,) = store.checkpoints()
    batch = store.lease(1 << 20, 1 << 30)
    waiting = [stored.event.message_id for stored in batch.events]
    sent = [entry.stored.event.message_id for entry in store.sent(0, 1e12)]
    assert known.offset in {recorded, recorded + 3}
    assert sorted(waiting + sent) == sorted(event_id(str(number)) for number in range(known.offset))
    assert acknowledged <= set(sent)
    assert len(sent) - len(acknowledged) <= 2 * 3  # at each kill at most one answer was written and not told
    assert store.status().incidents == ()
    store.close()
