"""Scores an encoder that nobody trained here: records as those of a run, all of them or none."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.benchmark import Score
from benchmarks.settings import EvaluationConfig
from selip.data.cohort import Cohort
from selip.data.cohort_writer import check_free
from selip.data.contrast_mapping import resolve_reading, without_left_out
from selip.experiments.catalogue import check_name, experiment_file, find_benchmark
from selip.experiments.cohorts import open_cohorts
from selip.experiments.config import ExperimentConfig
from selip.experiments.experiment import score_options
from selip.experiments.experiment_file import read_experiment
from selip.experiments.external.opening import CHECKPOINT, board_name, hash_of, open_encoder
from selip.experiments.run_record import cohort_facts, declared_on, unscored_record
from selip.experiments.sharing import records_of
from selip.models.dual_encoder import DualEncoder, load_checkpoint
from selip.models.embeddings import check_grid
from selip.models.encoder import Checked, Encoder, Wants
from selip.models.repeatable_kernels import repeat_exactly
from selip.models.scored_model import Subject
from selip.records.record import EncoderFacts, Record, cell_label
from selip.records.record_files import write_record
from selip.system.environment import git_commit, now, package_versions
from selip.system.errors import InputError, UnavailableError
from selip.system.files import content_hash, partial_of
from selip.system.mappings import from_mapping, to_mapping
from selip.system.memory import peak_memory_mb
from selip.system.progress import Report


@dataclass(frozen=True)
class Scored:
    """The outcome of an encoder on one benchmark: its record, and its score unless it was skipped."""

    record: Record
    score: Score | None


def score(
    encoder: Any, settings: Mapping[str, Any], place: Place, contrasts: Mapping[str, str | None] | None, name: str,  # noqa: ANN401
    command: Sequence[str], report: Report,
) -> list[Scored]:  # fmt: skip
    """Scores an encoder, a checkpoint or "KIND:WHAT" on `place`.

    Raises:
        InputError: When it cannot be opened or scored.
    """
    if isinstance(encoder, Path) or (isinstance(encoder, str) and Path(encoder).is_file()):
        return score_checkpoint(Path(encoder), place, report, command)
    if isinstance(encoder, str):
        encoder, facts = open_encoder(encoder, settings, place.cohort)
    else:
        kind = type(encoder).__name__
        facts = EncoderFacts(kind="object", spec=kind, weights_hash=hash_of(encoder), wants=to_mapping(encoder.wants))
        encoder = encoder if isinstance(encoder, DualEncoder) else Checked(encoder, kind)
    place = replace(place, cohort=read_for(encoder.wants, place.cohort, contrasts))
    return score_encoder(encoder, facts, place, report, name, command=command)


def score_encoder(
    encoder: Encoder, facts: EncoderFacts, place: Place, report: Report, name: str = "",
    common: Mapping[str, Any] | None = None, train_texts: Sequence[str] | None = None, command: Sequence[str] = (),
) -> list[Scored]:  # fmt: skip
    """Scores an encoder on the benchmarks of `place`; nothing is written.

    Args:
        encoder: What is scored.
        facts: What its records say of it.
        place: Cohorts, benchmarks and settings of scoring.
        report: Where progress goes.
        name: Its name on a board; "" makes one of its spec.
        common: Facts of a record of the run that trained it.
        train_texts: Texts of its training; None for those of the cohort's train part.
        command: What the user typed.

    Raises:
        InputError: When it cannot be scored, or every benchmark had to be skipped.
    """
    repeat_exactly()
    cohort, transfer, config = place.cohort, place.transfer, place.config
    if hasattr(encoder, "check"):
        encoder.check([cohort, *([transfer] if transfer else [])])
    if train_texts is None:
        train_texts = cohort.volumes["text"].iloc[cohort.rows("train")].tolist()
    about = _common(facts, place, name, command) | dict(common or {})
    subject = Subject(encoder, cohort, train_texts, about["seed"], config.part, transfer=transfer)
    found = [_scored(subject, benchmark, about, config, report) for benchmark in config.benchmarks]
    if not any(one.score for one in found):
        raise InputError(f"got nothing to score: {'; '.join(dict.fromkeys(one.record.reason for one in found))}")
    return found


def _scored(subject: Subject, name: str, about: Mapping[str, Any], config: ExperimentConfig, report: Report) -> Scored:
    task = find_benchmark(name)
    same = [about["config_hash"], name, task.protocol_version, config.part, about["cohort"].content_hash]
    same += [about["split_fingerprint"], about["transfer_split_fingerprint"]]
    label = cell_label(about["method"], about["ablation"], about["seed"])
    identity: dict[str, Any] = {"run_id": f"{label}-{name}-{content_hash(same)[:12]}", "benchmark": name}
    identity |= {"protocol_version": task.protocol_version, "declared": declared_on(task.declared, subject.cohort)}
    report.line(f"{label}: {name}")
    began = time.perf_counter()
    try:
        score = task.score(subject, score_options(config.evaluation))
    except UnavailableError as error:
        reason = " ".join(str(error).split())
        report.line(f"{label} skipped: {reason}")
        return Scored(unscored_record(about, identity, "skipped", reason), None)
    seconds = {"evaluate": time.perf_counter() - began}
    record = Record(
        **about, **identity, status="ok", metrics=dict(score.metrics), notes=dict(score.notes), seconds=seconds,
        peak_memory_mb=peak_memory_mb(),
    )  # fmt: skip
    return Scored(record, score)


def _common(facts: EncoderFacts, place: Place, name: str, command: Sequence[str]) -> dict[str, Any]:
    """Facts that every record has in common."""
    cohort, transfer, evaluation = place.cohort, place.transfer, to_mapping(place.config.evaluation)
    resolved = {"evaluation": evaluation, "encoder": facts.model_dump(mode="json")}
    on_gpu = torch.cuda.is_available()
    return {
        "method": board_name(name or facts.spec),
        "ablation": "",
        "seed": 0,
        "cohort": cohort_facts(cohort),
        "split_fingerprint": cohort.info.split_fingerprint,
        "transfer": cohort_facts(transfer) if transfer else None,
        "transfer_split_fingerprint": transfer.info.split_fingerprint if transfer else "",
        "config": resolved,
        "config_hash": content_hash(resolved),
        "settings": {},
        "contrasts": (),
        "controls": (),
        "part": place.config.part,
        "fold": cohort.fold,
        "texts": "measured" if cohort.info.is_measured else "",
        "encoder": facts,
        "versions": package_versions(),
        "device": torch.cuda.get_device_name() if on_gpu else f"cpu, threads: {torch.get_num_threads()}",
        "git_commit": git_commit(),
        "created": now(),
        "command": shlex.join(command),
    }


def write_scores(out: Path, scored: Sequence[Scored]) -> None:
    """Writes the records of a scored encoder into `out`/records, all of them or none."""
    check_free(out)
    partial = partial_of(out.resolve())
    try:
        for one in scored:
            write_record(partial / "records", one.record, one.score.per_item if one.score else None)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def score_checkpoint(path: Path, place: Place, report: Report, command: Sequence[str] = ()) -> list[Scored]:
    """`score_encoder` of a checkpoint: its records are those of the run that left it, where they lie beside it.

    Raises:
        InputError: When the file is no checkpoint, or as in `score_encoder`.
    """
    model, facts = load_checkpoint(path)
    check_grid(model, place.cohort.info.shape)
    texts = [text for text, count in facts.train_texts.items() for _ in range(count)]
    own = facts.cohort == place.cohort.info.content_hash
    beside = next(iter(records_of(path, facts)), None) if own else None
    note = f"trained by selip on {'this' if own else 'another'} cohort: {facts.method}, seed {facts.seed}, "
    note += f"step {facts.step}; its terms are not known here"
    about = EncoderFacts(kind=CHECKPOINT, spec=f"{CHECKPOINT}:{path.name}", weights_hash=hash_of(model), note=note)
    common: dict[str, Any] = {}
    if beside:
        common = {key: getattr(beside, key) for key in (*OF_A_RUN, "config", "config_hash")} | {"encoder": None}
        scoring = from_mapping(EvaluationConfig, beside.config["evaluation"])
        place = replace(place, config=replace(place.config, evaluation=scoring))
    return score_encoder(model, about, place, report, f"{facts.method}_{path.stem}", common, texts, command)


OF_A_RUN = ("method", "ablation", "seed", "settings", "contrasts", "controls", "tuning", "terms", "training")
"""What a record of a checkpoint takes from another one of its run."""


def read_for(wants: Wants, cohort: Cohort, contrasts: Mapping[str, str | None] | None) -> Cohort:
    """`cohort` without the volumes of contrasts that are left out; one that the encoder does not know is refused."""
    known = wants.contrasts or tuple(cohort.info.contrasts)
    return without_left_out(cohort, resolve_reading(known, cohort, contrasts or {}, "--contrasts"))


@dataclass(frozen=True)
class Place:
    """The place of scoring: the cohorts, and an experiment with benchmarks and settings of scoring."""

    cohort: Cohort
    transfer: Cohort | None
    config: ExperimentConfig


def place_of(
    cohort: Cohort | Path | str | None, transfer: Cohort | Path | str | None, like: Path | str | None,
    benchmarks: Sequence[str], overrides: Sequence[str],
) -> Place:  # fmt: skip
    """The place that the user names: folders of cohorts, or a run directory whose cohorts and settings are taken.

    Raises:
        InputError: When neither or both are given, or one cannot be read.
    """
    if (cohort is None) == (like is None):
        raise InputError("got both or neither of --cohort and --like; name a cohort, or a run to be compared with")
    changed = [*overrides, *([f"benchmarks={','.join(benchmarks)}"] if benchmarks else [])]
    config = read_experiment(Path(like) / "config.yaml" if like else experiment_file("quick"), changed)
    for name in config.benchmarks:
        check_name("benchmarks", name)
    if like is not None:
        found = open_cohorts(config, Path(like), Report())
        return Place(found.scored, found.transfer, config)
    opened = [one if one is None or isinstance(one, Cohort) else Cohort.open(one) for one in (cohort, transfer)]
    if opened[0] is None:
        raise InputError("got no cohort; name one")
    return Place(opened[0], opened[1], config)
