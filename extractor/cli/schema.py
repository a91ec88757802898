"""`extractor schema`."""

import json
import sys
from typing import Any


def schema_command(kind: str) -> int:
    """Print a JSON Schema for editors."""
    sys.stdout.write(json.dumps(schema_of(kind), indent=2) + "\n")
    return 0


def schema_of(kind: str) -> dict[str, Any]:
    """The schema of a config or of a pack."""
    if kind == "config":
        from extractor.config import config_schema

        return config_schema()
    from extractor.ruleset.schema import pack_schema

    return pack_schema()
