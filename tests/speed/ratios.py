"""Prints what each speed test measured beside its time: its reference and the ratio to it."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(path: Path) -> None:
    """Prints one line a test of a pytest-benchmark JSON file."""
    results = json.loads(path.read_text())
    machine = results["machine_info"]
    sys.stdout.write(f"{machine['cpu'].get('brand_raw', machine['processor'])}, {machine['cpu'].get('count')} cores\n")
    for test in results["benchmarks"]:
        facts = ", ".join(
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in test["extra_info"].items()
        )
        sys.stdout.write(f"{test['name']}: {facts}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
