"""The cells of an experiment's grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from selip.records.record import cell_label
from selip.training.settings import RunConfig


@dataclass(frozen=True)
class Planned:
    """One cell of the grid: a method, an ablation or none, and a seed, with the record that each benchmark will leave.

    Attributes:
        method: Name of the method.
        ablation: Name of the ablation, "" for none.
        seed: Seed.
        config: Configuration of the run, the ablation's change in it.
        record_ids: Benchmark name to run id.
        facts: Fields of its records that the experiment and the method decide: settings, contrasts, controls.
    """

    method: str
    ablation: str
    seed: int
    config: RunConfig
    record_ids: dict[str, str]
    facts: dict[str, Any]

    @property
    def label(self) -> str:
        """How it is called in messages and files."""
        return cell_label(self.method, self.ablation, self.seed)

    @property
    def checkpoint(self) -> str:
        """File name of its checkpoint; the same for every benchmark."""
        return f"{self.label}.safetensors"
