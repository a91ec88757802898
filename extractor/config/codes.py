"""Codes of what can be wrong with a config, beyond its shape. Stable, never reused; each has a golden text."""

from enum import StrEnum


class Code(StrEnum):
    """`E02x` to `E09x`; `E00x` and `E01x` are the document and its shape, `E1xx` is the rule language."""

    VARIABLE_NOT_SET = "E020"
    BAD_REFERENCE = "E021"
    NOT_A_DURATION = "E022"
    NOT_A_SIZE = "E023"
    BEYOND_LIMIT = "E024"
    NO_INSTALLATION = "E025"
    ONE_WRITE_KEY = "E026"
    BAD_WRITE_KEY = "E027"
    BAD_HOST = "E028"
    BAD_ADDRESS = "E029"
    FILE_MISSING = "E030"
    RESERVED_CONTEXT = "E031"
    CONTRADICTION = "E032"
