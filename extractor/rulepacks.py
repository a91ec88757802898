"""The rule packs that come with the program, by name.

In a checkout they lie in `rules/`, where people look for them; in the wheel beside this file, in `packs/`.
Imports nothing of the package.
"""

from pathlib import Path

_PLACES = (Path(__file__).with_name("packs"), Path(__file__).parent.with_name("rules"))


def shipped_names() -> tuple[str, ...]:
    """Names of all shipped packs, sorted."""
    return tuple(sorted(path.stem for folder in _PLACES for path in folder.glob("*.yaml")))


def shipped(name: str) -> tuple[str, str]:
    """A shipped pack: its text, and its file name for problems (`rules/lago.yaml`).

    Raises:
        KeyError: No pack of that name is shipped; `shipped_names` lists them.
    """
    if name in shipped_names():  # so that a name never becomes a path
        for folder in _PLACES:
            path = folder / f"{name}.yaml"
            if path.is_file():
                return path.read_text(encoding="utf-8"), f"rules/{name}.yaml"
    raise KeyError(name)
