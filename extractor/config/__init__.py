"""What the operator decides: one YAML file in, one frozen `Config` out, or every problem at its place.

Public names only. `shape` is the file as it is written, `values` what the program gets, `load` the way between
them. May import `document`, `validation`, `problems` and `rulepacks`; nothing of the four stages.
"""

from extractor.config.codes import Code
from extractor.config.load import load_config
from extractor.config.schema import config_schema
from extractor.config.secret import Secret
from extractor.config.values import (
    Config,
    Listen,
    Organizations,
    OutboxCaps,
    PackChoice,
    Segment,
    Source,
    Stdout,
    Where,
    opted_out_by,
)

__all__ = [
    "Code",
    "Config",
    "Listen",
    "Organizations",
    "OutboxCaps",
    "PackChoice",
    "Secret",
    "Segment",
    "Source",
    "Stdout",
    "Where",
    "config_schema",
    "load_config",
    "opted_out_by",
]
