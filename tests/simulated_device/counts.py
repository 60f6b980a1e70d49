"""Writes what the driver counted into counts.json, on purpose: python counts.py OUT_OF_THE_DRIVER"""

from __future__ import annotations

import json
import sys
from pathlib import Path

COUNTS = Path(__file__).with_name("counts.json")


def counts_of(seen):
    """Kernels and bytes of a training step, the mean of a case's steps."""
    return {
        "kernels": sum(seen["kernels_of_steps"].values()) / seen["steps"],
        "bytes": seen["moved_in_steps"] / seen["steps"],
    }


if __name__ == "__main__":
    lines = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    COUNTS.write_text(json.dumps({one["case"]: counts_of(one) for one in lines if one["steps"]}, indent=1) + "\n")
