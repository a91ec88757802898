"""Which files the globs lead to."""

import os
from pathlib import Path

import pytest

from extractor.source import SourceSpec, Where
from extractor.source.discover import Discovery

NOW = 4_000_000_000_000_000_000


def found(folder: Path, *paths: str, exclude: tuple[str, ...] = (), where: Where | None = None) -> list[str]:
    """Paths below a folder that the globs lead to, in order."""
    spec = SourceSpec(
        index=0, paths=tuple(f"{folder}/{path}" for path in paths), exclude=exclude, where=where or Where()
    )
    return [os.path.relpath(one.path, folder) for one in Discovery([spec]).find(NOW)]


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    for name in [
        "a.log",
        "b.log",
        "b.log.1.gz",
        ".hidden.log",
        "sub/c.log",
        "sub/deep/d.log",
        "sub/.x/e.log",
    ]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["*.log"], ["a.log", "b.log"]),
        (["*"], ["a.log", "b.log"]),
        (["b.log", "*.log"], ["b.log", "a.log"]),
        (["**/*.log"], ["a.log", "b.log", "sub/c.log", "sub/deep/d.log"]),
        (["sub/**"], ["sub/c.log", "sub/deep/d.log"]),
        (["*/[c-d].log"], ["sub/c.log"]),
        (["[!a].log"], ["b.log"]),
        (["?.log", "absent/*.log", "absent.log"], ["a.log", "b.log"]),
        ([".hidden.log"], [".hidden.log"]),
    ],
)
def test_globs(tree: Path, globs: list[str], expected: list[str]) -> None:
    """As in a shell: hidden names only when named, `**` any depth, each path once, in the configured order."""
    assert found(tree, *globs) == expected


def test_excludes(tree: Path) -> None:
    """A glob with a slash is held against the path, one without against the name."""
    assert found(tree, "**/*.log", exclude=("b.*",)) == ["a.log", "sub/c.log", "sub/deep/d.log"]
    assert found(tree, "**/*.log", exclude=(f"{tree}/sub/**",)) == ["a.log", "b.log"]


def test_links(tree: Path) -> None:
    """Links to files and folders are followed, and one that leads round ends."""
    (tree / "sub/round").symlink_to(tree)
    (tree / "linked.log").symlink_to(tree / "sub/c.log")
    (tree / "dangling.log").symlink_to(tree / "absent")
    assert "linked.log" in found(tree, "*.log")
    assert "dangling.log" not in found(tree, "*.log")
    assert len(found(tree, "sub/**/*.log")) < 10


def test_a_new_file_is_found_although_the_folder_was_listed(tree: Path) -> None:
    """A cached listing is trusted only while the folder's own time stands still, and not when that is fresh."""
    discovery = Discovery([SourceSpec(index=0, paths=(f"{tree}/*.log",))])
    now = (tree.stat().st_mtime_ns // 10**9) * 10**9
    assert len(list(discovery.find(now))) == 2
    (tree / "new.log").touch()
    assert len(list(discovery.find(now))) == 3


@pytest.mark.parametrize(
    ("where", "accepted"),
    [
        (Where(), True),
        (Where(namespaces=("bill*",)), True),
        (Where(namespaces=("billing",), containers=("api", "worker")), True),
        (Where(pods=("other-*",)), False),
        (Where(containers=("extractor",)), False),
    ],
)
@pytest.mark.parametrize(
    "path",
    ["pods/billing_lago-6f_0a-1b/api/0.log", "containers/lago-6f_billing_api-0123456789abcdef.log"],
)
def test_where(tmp_path: Path, where: Where, path: str, *, accepted: bool) -> None:
    """Kubernetes' paths tell namespace, pod and container; a path that tells nothing is refused once one is asked."""
    for name in (path, "plain.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert (path in found(tmp_path, "**/*.log", where=where)) is accepted
    assert ("plain.log" in found(tmp_path, "**/*.log", where=where)) is (where == Where())
