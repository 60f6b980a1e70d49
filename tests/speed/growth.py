"""Measures how the cost of every stage grows with its work, and writes the table and the figure of the docs.

    python tests/speed/growth.py FOLDER     the table of FOLDER/growth.md on the screen, and FOLDER/growth.svg

A stage is made at several sizes, by shape alone where voxels do not matter. Cost is CPU seconds of one thread, the
best of several where it is short; memory is the peak of what Python and numpy allocate during the work, beyond its
inputs. The exponent is the slope of log cost over log size: 1 in proportion, up to 1.2 for n log n at these sizes.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from threadpoolctl import threadpool_limits

sys.path.append(str(Path(__file__).parents[1] / "oracles"))
from growth_stages import STAGES, Stage, Work

ROUNDS, LONG = 3, 2.0  # runs of a work, and seconds of one that is run once


@dataclass(frozen=True)
class Growth:
    """Cost of a stage at some sizes: CPU seconds of each, and peak bytes of those that are done soon."""

    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    peak_bytes: tuple[int, ...]

    @property
    def exponent(self) -> float:
        """Slope of log seconds over log size."""
        return _slope(self.sizes, self.seconds)

    @property
    def memory_exponent(self) -> float:
        """Slope of log peak bytes over log size; NaN where one size alone is done soon."""
        return _slope(self.sizes, self.peak_bytes) if len(self.peak_bytes) > 1 else float("nan")


def _slope(sizes: tuple[int, ...], costs: Sequence[float]) -> float:
    return float(np.polyfit(np.log(sizes[: len(costs)]), np.log(costs), 1)[0])


def measured(stage: Stage, sizes: tuple[int, ...]) -> Growth:
    """Cost of a stage at each of `sizes`."""
    best, peaks = [], []
    with threadpool_limits(1), TemporaryDirectory() as folder:
        for number, size in enumerate(sizes):
            place = Path(folder) / str(number)
            place.mkdir()
            work = stage.make(size, place)
            seconds = [_seconds(work)]
            seconds += [_seconds(work) for _ in range(ROUNDS - 1) if seconds[0] < LONG]
            best.append(min(seconds))
            peaks += [_peak(work)] if seconds[0] < LONG else []
    return Growth(sizes, tuple(best), tuple(peaks))


def _seconds(work: Work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _peak(work: Work) -> int:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def table(found: Mapping[str, Growth]) -> Iterator[str]:
    """Lines of a Markdown table, a stage each."""
    yield "| stage | work | CPU seconds | exponent | peak MiB | exponent |\n|---|---|---|---|---|---|"
    for name, growth in found.items():
        sizes = f"{growth.sizes[0]:,} to {growth.sizes[-1]:,} {STAGES[name].unit}"
        seconds, peaks = (
            f"{ends[0]:.3g} to {ends[-1]:.3g}" for ends in (growth.seconds, np.array(growth.peak_bytes) / 2**20)
        )
        yield f"| {name} | {sizes} | {seconds} | {growth.exponent:.2f} | {peaks} | {growth.memory_exponent:.2f} |"


def draw(found: Mapping[str, Growth], file: Path) -> None:
    """The figure: CPU seconds over work, both as logarithms, beside a line of slope 1."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for number, (name, growth) in enumerate(found.items()):
        axes.loglog(growth.sizes, growth.seconds, marker="osv^DPX"[number % 7], ms=4, lw=1, label=name)
    axes.loglog((100, 100_000), (0.01, 10), "--", color="grey", label="in proportion")
    axes.set(xlabel="work: patients, texts, candidates, runs or contrasts", ylabel="CPU seconds of one thread")
    figure.legend(loc="outside right upper", fontsize=7, frameon=False)
    plt.rcParams["svg.hashsalt"] = "growth"
    figure.savefig(file, metadata={"Date": None})


def main(arguments: list[str]) -> None:
    """Measures, prints the table and draws the figure."""
    parser = argparse.ArgumentParser(description="How the cost of every stage grows with its work.")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    found = {}
    for name, stage in STAGES.items():
        found[name] = measured(stage, stage.sizes)
        sys.stderr.write(f"{name}: {found[name]}\n")
    sys.stdout.writelines(f"{line}\n" for line in table(found))
    draw(found, options.folder / "growth.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
