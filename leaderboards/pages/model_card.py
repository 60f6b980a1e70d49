"""The model card of a shared checkpoint: a pure function of what the checkpoint says of itself and of its records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from huggingface_hub import EvalResult, ModelCardData

from leaderboards.scores.benchmark_records import named
from leaderboards.scores.benchmark_scores import task_name
from leaderboards.scores.headlines import cohort_of, metric_words, task_keys
from leaderboards.scores.tidy_table import Estimate
from leaderboards.tables.cells import MISSING, estimate_text, form_of, number_text
from leaderboards.tables.document import markdown
from selip.records.metric_key import MetricKey
from selip.records.record import CohortFacts, Metric, Record, cell_label

if TYPE_CHECKING:
    from selip.models.dual_encoder import CheckpointFacts

TAGS = ["selip-bench", "head-mri", "medical", "contrastive"]


def model_card(facts: CheckpointFacts, records: Sequence[Record], place: str) -> str:
    """Markdown with the YAML head that the Hugging Face hub reads, its results as a model index.

    `records` are the scored ones of its very run, `place` is where it is shared, as `selip pull` takes it.
    """
    name = cell_label(facts.method, records[0].ablation if records else "", facts.seed)
    return markdown(
        "model_card.md.j2",
        front_matter=_front_matter(name, facts.synthetic, records),
        title=f"{name}, step {facts.step}" + (" (SYNTHETIC)" if facts.synthetic else ""),
        synthetic=facts.synthetic,
        lines=[_line(*row) for row in _declared(records)],
        protocols=", ".join(sorted({f"{record.benchmark} version {record.protocol_version}" for record in records})),
        data=_data(facts, records),
        train_texts=len(facts.train_texts),
        made=_made(facts, records),
        commands=list(dict.fromkeys(record.command for record in records if record.command)),
        place=place,
        contrasts=", ".join(facts.contrasts),
        grid=_grid(facts),
    )


def _declared(records: Sequence[Record]) -> Iterator[tuple[Record, str, Metric]]:
    """Record, key and metric of each task: the metric that its benchmark was declared to be ranked by."""
    for record in sorted(records, key=lambda one: one.benchmark):
        for key in task_keys([record]):
            if key in record.metrics:
                yield record, key, record.metrics[key]


def _line(record: Record, key: str, metric: Metric) -> tuple[str, ...]:
    declared, parsed, form = record.declared, MetricKey.parse(key), form_of(key)
    floors = {words: record.metrics.get(parsed.beside(name)) for name, words in declared.floors.items()}
    said = [f"{number_text(one.value, form)} ({words})" for words, one in floors.items() if one]
    bounds = (metric.lower, metric.upper) if metric.lower is not None and metric.upper is not None else ()
    return (
        task_name(declared, key),
        metric_words(declared, key),
        estimate_text(Estimate(metric.value, *bounds), form),
        said[0] if said else MISSING,
        f"{metric.n_items} of {metric.n_patients} patients",
        _named(cohort_of(record, parsed.pool)),
    )


def _front_matter(name: str, synthetic: bool, records: Sequence[Record]) -> str:
    results = [_eval_result(*row) for row in _declared(records)]
    data = ModelCardData(
        library_name="selip-bench",
        license="apache-2.0" if synthetic else None,  # of real data it is for their owner to say
        tags=[*TAGS, *(["synthetic"] if synthetic else [])],
        model_name=name,
        eval_results=results or None,
    )
    return data.to_yaml()


def _eval_result(record: Record, key: str, metric: Metric) -> EvalResult:
    parsed, declared = MetricKey.parse(key), record.declared
    cohort = cohort_of(record, parsed.pool)
    return EvalResult(
        task_type=declared.task_type,
        task_name=task_name(declared, key),
        dataset_type=named(cohort),
        dataset_name=_named(cohort),
        dataset_config=f"{record.benchmark}/{parsed.pool}",  # results of one task and config are one entry of the index
        dataset_split="test",
        dataset_revision=cohort.content_hash,
        metric_type=parsed.metric,
        metric_name=metric_words(declared, key),
        metric_value=metric.value,
        metric_args={"lower": metric.lower, "upper": metric.upper, "level": 0.95},
    )


def _named(cohort: CohortFacts) -> str:
    return named(cohort) + (" (SYNTHETIC)" if cohort.synthetic else "")


def _data(facts: CheckpointFacts, records: Sequence[Record]) -> list[tuple[str, str]]:
    found = []
    if records:
        trained_on = records[0].trained_on or records[0].cohort
        found.append(("trained on", f"{_named(trained_on)}, {trained_on.n_patients} patients in all parts"))
    return [
        *found,
        ("cohort hash", facts.cohort),
        ("split fingerprint", facts.split_fingerprint),
        ("contrasts", ", ".join(facts.contrasts)),
        ("grid", _grid(facts)),
        ("simulated", "yes" if facts.synthetic else "no"),
    ]


def _grid(facts: CheckpointFacts) -> str:
    shape, spacing = (" × ".join(f"{n:g}" for n in numbers) for numbers in (facts.shape, facts.spacing_mm))
    return f"{shape} voxels of {spacing} mm"


def _made(facts: CheckpointFacts, records: Sequence[Record]) -> list[tuple[str, str]]:
    model = facts.model
    found = [
        ("method", f"{facts.method}, seed {facts.seed}"),
        ("towers", f"{model.volume_tower} of width {model.width}, text tower {model.text_tower}"),
    ]
    for record in records[:1]:
        steps = f"{facts.step}, chosen on val, of {record.training.steps}" if record.training else str(facts.step)
        versions = ", ".join(f"{name} {text}" for name, text in record.versions.items())
        found += [("step", steps), ("commit", record.git_commit or MISSING)]
        found += [("device", record.device or MISSING), ("versions", versions)]
    return found
