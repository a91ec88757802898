"""`extractor prime`."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from extractor import wiring
from extractor.cli.bar import reading_bar
from extractor.cli.terminal import absolute, printable
from extractor.clock import SystemClock
from extractor.config import Config, load_config
from extractor.ruleset.rule import RuleSet
from extractor.store import Store, StoreError, StoreLocked
from extractor.whole.prime import NotKeysError, prime_keys, prime_logs, read_keys


def prime_keys_command(path: Path, event: str, file: str) -> int:
    """Fill memory from a list of keys."""
    config = load_config(path, os.environ)
    rules = wiring.build_rules(config)
    try:
        if file == "-":
            outcomes = read_keys(event, sys.stdin, "standard input", rules)
        else:
            with Path(file).open(encoding="utf-8", newline="") as stream:
                outcomes = read_keys(event, stream, file, rules)
    except NotKeysError as error:
        sys.stderr.writelines(f"{printable(line)}\n" for line in str(error).split("\n"))
        sys.stderr.write("extractor: nothing was primed\n")
        return 1
    except UnicodeDecodeError:
        sys.stderr.write(f"extractor: {printable(file)} is not UTF-8; nothing was primed\n")
        return 1

    def tell(store: Store) -> None:
        new = prime_keys(store, outcomes)
        sys.stdout.write(f"{len(outcomes)} keys of {event}, {new} rows of memory written; nothing was sent\n")

    return with_store(config, tell)


def prime_logs_command(path: Path, files: list[str]) -> int:
    """Fill memory from logs."""
    config = load_config(path, os.environ)
    rules: RuleSet = wiring.build_rules(config)

    def tell(store: Store) -> None:
        with reading_bar() as listen:
            primed = list(prime_logs(config, rules, store, [absolute(file) for file in files], listen))
        for name, rows in primed:
            sys.stdout.write(f"{printable(name)}: {rows} rows of memory written\n")
        sys.stdout.write("nothing was sent; what these logs show is known now, and never sent\n")

    return with_store(config, tell)


def with_store(config: Config, use: Callable[[Store], None]) -> int:
    """Open the state, made if it is not there, beside a daemon if one runs."""
    clock = SystemClock()
    try:
        try:
            store = Store.open(config.state_dir, destination=wiring.destination_name(config), clock=clock)
        except StoreLocked:
            store = Store.open_beside(config.state_dir, clock=clock)
        try:
            use(store)
        finally:
            store.close()
    except StoreError as error:
        sys.stderr.write(f"extractor: {error}\n")
        return 1
    return 0
