"""Records: what one run scored on one benchmark, with everything needed to repeat it.

One JSON file a run x benchmark, its per-item scores in a Parquet file beside it. A number reaches a page only
through a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from selip.records.declaration import Declared
from selip.records.metric_key import MetricKey

SCHEMA_VERSION = 1
Statistic = Literal[
    "mean", "median", "auroc", "auprc", "macro_auroc", "macro_auprc", "accuracy", "balanced_accuracy", "macro_f1",
    "mcc", "ece", "spearman", "mae",
]  # fmt: skip
"""How the per-item table becomes the value of a metric; benchmarks/statistics/pool_statistics.py has one for each."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Metric(_Strict):
    """One number with its interval.

    Attributes:
        value: The metric.
        lower: Lower end of the 95 % interval; None where there is no interval (chance, majority).
        upper: Upper end.
        n_patients: Patients behind it.
        n_items: Items (volumes) behind it.
        higher_is_better: Direction of the metric.
        statistic: How the per-item table becomes the value.
    """

    value: float
    lower: float | None = None
    upper: float | None = None
    n_patients: int
    n_items: int
    higher_is_better: bool = True
    statistic: Statistic = "mean"


class CohortFacts(_Strict):
    """A cohort behind a record; `sheet` is its data sheet, subject to what is known, empty where it has none."""

    name: str
    profile: str
    content_hash: str
    synthetic: bool
    n_patients: int
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    sheet: dict[str, str] = {}


class Training(_Strict):
    """Training of the scored model; the two hashes prove that methods of a seed began and were fed alike.

    Attributes:
        steps: Optimiser steps.
        chosen_step: Step of the kept weights, chosen on val.
        initial_weights_hash: Hash of the weights before the first step, but for the logit scale.
        batch_order_hash: Hash of rows and flips of every batch.
        precision: Of training: "no" is float32, "tf32" float32 with products that CUDA may round, "bf16" bfloat16.
        init: SHA-256 (hex) of the file of weights that the common tower started from; "" for random weights.
        own_tower: Volume tower that the method brought in place of the common one; "" for the common one.
        target_entropy: Mean row entropy of the target matrix in nats; None where there is no such matrix.
        target_diagonal: Mean diagonal of the target matrix.
        parameters: Trainable parameters.
        never_flipped: Training pairs that flips leave out: the sides of the text cannot be swapped with certainty, or a
            declared class changes with the flip and no side in the text does.
        history: One row a validation: step, loss, val_score and more.
    """

    steps: int
    chosen_step: int
    initial_weights_hash: str
    batch_order_hash: str
    precision: str = "no"
    init: str = ""
    own_tower: str = ""
    target_entropy: float | None = None
    target_diagonal: float | None = None
    parameters: int
    never_flipped: int = 0
    history: list[dict[str, float]] = []


class TuningFacts(_Strict):
    """Tuning behind the settings of a scored model.

    Attributes:
        cohort: What trials were trained and, on its val part, scored on.
        seeds: Seeds of every trial.
        score: What a score is, in words.
        chosen: Name of the trial with the best score.
        settings: Its settings by dotted key; the others are the experiment's.
        edges: Keys of those that sit on the edge of their range.
        trials: Trial name to its score; None for one of which a run failed.
    """

    cohort: str
    seeds: tuple[int, ...]
    score: str
    chosen: str
    settings: dict[str, float]
    edges: tuple[str, ...]
    trials: dict[str, float | None]


class EncoderFacts(_Strict):
    """An encoder that was not trained by the run that scored it.

    Attributes:
        kind: Kind of encoder, as "open_clip".
        spec: Its whole name, as the user gave it, without the folder of a file.
        weights_hash: SHA-256 (hex) of its weights, or of what it answered with.
        wants: What it wants of a volume.
        settings: Settings of its kind: slices, window and the like.
        origin: Where it comes from, as far as the user said.
        licence: Its terms, as far as the user said.
        note: What a reader is to know.
    """

    kind: str
    spec: str
    weights_hash: str
    wants: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    origin: str = ""
    licence: str = ""
    note: str = "external: not trained on equal terms here"


class Record(_Strict):
    """One run on one benchmark. See the module's docstring.

    `cohort` is what was scored. `trained_on` is the cohort that the model was trained on and its step chosen on; None
    where that is `cohort` too. `transfer` is the second cohort, of which tasks of transfer were scored; None where
    there was none. `settings` are the method's own. `contrasts` are the pairs of methods whose difference, first minus
    second, the experiment tests, and `controls` those second ones that are a control of the first. `part` is what was
    scored of the cohort. `fold` is "2 of 5" for one fold, "5 pooled" for all of them out of fold, "" for the cohort's
    own split. `texts` are "measured" where they were measured on masks, no reports. `tuning` is how its settings were
    tuned; None: they are the experiment's, untuned. `terms` is a hash of what all methods of the experiment were
    trained with; `encoder` is what came from outside to be scored.
    """

    schema_version: Literal[1] = 1
    run_id: str
    status: Literal["ok", "failed", "skipped"]
    reason: str = ""
    method: str
    ablation: str = ""
    benchmark: str
    protocol_version: str
    declared: Declared
    seed: int
    cohort: CohortFacts
    split_fingerprint: str
    transfer: CohortFacts | None = None
    transfer_split_fingerprint: str = ""
    trained_on: CohortFacts | None = None
    trained_on_split_fingerprint: str = ""
    config: dict[str, Any]
    config_hash: str
    settings: dict[str, Any]
    contrasts: tuple[tuple[str, str], ...]
    controls: tuple[str, ...]
    part: Literal["test", "val"] = "test"
    fold: str = ""
    texts: Literal["", "measured"] = ""
    tuning: TuningFacts | None = None
    terms: str = ""
    encoder: EncoderFacts | None = None
    metrics: dict[str, Metric] = {}
    notes: dict[str, str] = {}
    training: Training | None = None
    versions: dict[str, str] = {}
    device: str = ""
    seconds: dict[str, float] = {}
    peak_memory_mb: float = 0.0
    git_commit: str = ""
    created: str = ""
    command: str = ""
    per_item: str = ""
    per_item_sha256: str = ""

    @property
    def synthetic(self) -> bool:
        """True when any cohort behind its numbers is simulated."""
        return any(one.synthetic for one in (self.cohort, self.transfer, self.trained_on) if one)

    @model_validator(mode="after")
    def _reason_where_needed(self) -> Record:
        if self.status != "ok" and not self.reason:
            raise ValueError(f"a {self.status} record needs a reason")
        return self

    @model_validator(mode="after")
    def _direction_as_declared(self) -> Record:
        for key, metric in self.metrics.items():
            if metric.higher_is_better != in_declared_direction({key: metric}, self.declared)[key].higher_is_better:
                raise ValueError(f"{key} is not of the direction that {self.benchmark} declares for its headline")
        return self


def in_declared_direction(metrics: Mapping[str, Metric], declared: Declared) -> dict[str, Metric]:
    """Metrics by `pool/metric`, the headlines and their references in the direction that a benchmark declares."""
    side = {"higher_is_better": declared.higher_is_better}
    return {key: one.model_copy(update=side) if _is_headline(key, declared) else one for key, one in metrics.items()}


def _is_headline(key: str, declared: Declared) -> bool:
    plain = replace(MetricKey.parse(key), reference="")
    return any(plain.matches(pattern) for pattern in declared.headline)


def cell_label(method: str, ablation: str, seed: int) -> str:
    """Name of a cell of the grid, as "selip-lambda_0-seed1"."""
    return "-".join(part for part in (method, ablation, f"seed{seed}") if part)
