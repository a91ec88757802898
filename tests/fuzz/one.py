"""Fuzzes one target with libFuzzer: `python -m tests.fuzz.one TARGET [libFuzzer's options]`."""

import sys

import atheris

with atheris.instrument_imports(include=["extractor"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name].run)
    atheris.Fuzz()
