"""The rule packs that come with the program, by name.

In a checkout they lie in `rules/`, where people look for them; in the wheel beside this file, in `packs/`.
Imports nothing of the package.
"""

from pathlib import Path

_BESIDE = Path(__file__).with_name("packs")
_FOLDER = _BESIDE if _BESIDE.is_dir() else Path(__file__).parent.with_name("rules")


def shipped_names() -> tuple[str, ...]:
    """Names of all shipped packs, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def shipped(name: str) -> tuple[str, str]:
    """A shipped pack: its text, and its file name for problems (`rules/lago.yaml`).

    Raises:
        KeyError: No pack of that name is shipped; `shipped_names` lists them.
    """
    if name not in shipped_names():  # so that a name never becomes a path
        raise KeyError(name)
    return (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), f"rules/{name}.yaml"
