"""Writes what the wheel stands on, as CycloneDX 1.5, from the lock file: `python .ci/sbom.py FILE`.

`uv` makes it; what it leaves out, since the version stands in the code, is our own version. Without a network.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Exit code 1: a package is locked without a hash."""
    sys.path.insert(0, str(ROOT))
    import extractor  # noqa: PLC0415 - found in the checkout only now

    command = ["uv", "export", "--quiet", "--frozen", "--offline", "--no-dev", "--format", "cyclonedx1.5"]
    made = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True, capture_output=True)
    bill = json.loads(made.stdout)
    bill["metadata"]["component"]["version"] = extractor.__version__
    bill["metadata"]["component"]["purl"] = f"pkg:pypi/extractor@{extractor.__version__}"
    unhashed = [
        one["name"]
        for one in bill["components"]
        if not any(reference.get("hashes") for reference in one.get("externalReferences", ()))
    ]
    if unhashed:
        print(f"locked without a hash: {', '.join(unhashed)}")
        return 1
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    print(f"{path}: {len(bill['components'])} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
