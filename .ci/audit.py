"""Asks for known vulnerabilities of what is locked: `python .ci/audit.py LOCK ...`, in an environment with pip-audit.

Where the database cannot be had it says "skipped: database not reachable" and passes. pip-audit itself passes, too,
when it was told of no package at all, so what it audited is counted here.
"""

import json
import subprocess
import sys


def audit(lock: str) -> tuple[list[str], str]:
    """What is wrong with a lock file's packages, a line each, and what was asked."""
    command = [
        "pip_audit",
        "--require-hashes",
        "--disable-pip",
        "--progress-spinner=off",
        "--format=json",
        "-r",
        lock,
    ]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    try:
        asked = json.loads(done.stdout)["dependencies"]
    except ValueError:
        unreachable = (
            "ConnectionError",
            "ConnectTimeout",
            "ServiceError",
            "Max retries",
            "Could not connect",
        )
        if any(word in done.stderr for word in unreachable):
            return [], f"{lock}: skipped: database not reachable"
        return [done.stderr.strip()[-2000:] or "pip-audit said nothing"], f"{lock}: could not be audited"
    unknown = [one["name"] for one in asked if "skip_reason" in one]
    if len(unknown) == len(asked):
        return [], f"{lock}: skipped: database not reachable"
    wrong = [
        f"{one['name']} {one['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'none'}"
        for one in asked
        for found in one.get("vulns", ())
    ]
    wrong += [f"{name}: not in the database" for name in unknown]
    return wrong, f"{lock}: {len(asked) - len(unknown)} packages asked for, {len(wrong)} problems"


def main() -> int:
    """Exit code 1: something is known."""
    found = [audit(lock) for lock in sys.argv[1:]]
    for wrong, asked in found:
        print("\n".join([*wrong, asked]))
    return 1 if any(wrong for wrong, _ in found) else 0


if __name__ == "__main__":
    sys.exit(main())
