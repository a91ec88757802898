"""What a name tells."""

import pytest

from extractor.source.names import is_sibling, lineage_of, oldest_first


@pytest.mark.parametrize(
    ("path", "live"),
    [
        ("/l/app.log", "/l/app.log"),
        ("/l/app.log.1", "/l/app.log"),
        ("/l/app.log.12.gz", "/l/app.log"),
        ("/l/app.log-20261122", "/l/app.log"),
        ("/l/app.log-20261122.gz", "/l/app.log"),
        ("/l/app.log-20261122-1795354449", "/l/app.log"),
        ("/l/app.log.2026-11-22", "/l/app.log"),
        ("/l/0.log", "/l/0.log"),
        ("/l/0.log.20261122-120000", "/l/0.log"),
        ("/l/app.log.old", "/l/app.log"),
        ("/l/app-20261122.log", "/l/app-20261122.log"),
        ("/l/worker.1.log", "/l/worker.1.log"),
        ("/l/abc-json.log.1", "/l/abc-json.log"),
    ],
)
def test_lineage(path: str, live: str) -> None:
    """The live name of a rotated file; what may be live itself keeps its own."""
    assert lineage_of(path) == live


def test_siblings() -> None:
    """A rotated copy's name starts like the live one's and is longer."""
    assert is_sibling("app.log.1", "app.log")
    assert is_sibling("app-20261122.log", "app.log")
    assert not is_sibling("app.log", "app.log.1")
    assert not is_sibling("api.log.1", "app.log")


def test_oldest_first_keeps_the_order_of_other_files() -> None:
    """Only siblings are sorted; groups stay where their first member was given."""
    given = ["/l/worker.log", "/l/api.log", "/l/api.log.1", "/l/worker.log.2.gz", "/l/worker.log.1"]
    expected = ["/l/worker.log.2.gz", "/l/worker.log.1", "/l/worker.log", "/l/api.log.1", "/l/api.log"]
    assert oldest_first(given) == expected
