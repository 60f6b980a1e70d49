"""Every stage of the bench as a function of the size of its work, by shape alone where voxels do not matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice, permutations, product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.retrieval.gallery_ranking import search
from benchmarks.retrieval.relevance import Relevance
from benchmarks.statistics.intervals import bootstrap_columns, holm
from benchmarks.statistics.table_intervals import row_intervals
from selip.cohorts.phantom.anatomy import build_atlas
from selip.cohorts.phantom.generate import cohort_info, lesion_points, study_rows
from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.profiles import resolve
from selip.data.cohort import Cohort
from selip.data.cohort_check import check_cohort
from selip.data.cohort_writer import CohortWriter
from selip.data.findings import Clause, findings_text
from selip.data.leakage_audit import near_duplicate_reports
from selip.data.splits import assign_splits
from selip.similarity.settings import SimilarityConfig
from selip.similarity.text_similarity import TextSimilarity, TextTable
from selip.training.batch_plan import plan_batches

Work = Callable[[], object]
SHAPE, BATCH, TIMES_AT_MOST = (2, 2, 2), 64, 4
TO_25_000 = (1_500, 6_000, 25_000)


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        unit: Plural noun of its work.
        make: make(size, folder) gives the work, its inputs made.
        sizes: Sizes of the table in the docs.
        small: Sizes of the test.
        most: Exponent that the cost stays below; that of n log n is up to 1.2 at these sizes.
    """

    unit: str
    make: Callable[[int, Path], Work]
    sizes: tuple[int, ...] = (1_500, 6_000, 25_000, 100_000)
    small: tuple[int, ...] = (1_000, 2_000, 4_000)
    most: float = 1.25


def _drawn(size: int, _: Path) -> Work:
    profile, points = resolve("standard", {"n_patients": size}), lesion_points(build_atlas(3))
    return lambda: [study_rows(study, "train", profile, 0) for study in draw_studies(profile, 0, points)]


def _ids(size: int) -> list[str]:
    return [f"p{number:06d}" for number in range(size)]


def _split(size: int, _: Path) -> Work:
    patients, strata = _ids(size), np.random.default_rng(0).choice(list("abcdefgh"), size).tolist()
    return lambda: assign_splits(patients, strata, 0)


def _write(size: int, root: Path) -> None:
    """A cohort by shape alone: a study of one volume each, with a report of its own."""
    info = cohort_info("growth", resolve("quick", {"shape": SHAPE}), 0)
    rng, words = np.random.default_rng(0), _texts(size)
    parts, voxels = rng.choice(["train", "val", "test"], size, p=[0.7, 0.1, 0.2]), rng.integers(0, 256, (1, *SHAPE))
    with CohortWriter(root, info) as writer:
        for name, part, text in zip(_ids(size), parts, words, strict=True):
            study = dict.fromkeys(("study_id", "patient_id"), name) | {"split": part, "site": "s", "report": text}
            study |= {"findings": "[]", "labels": "[]", "age": "50"}
            writer.add_study(study, [{"contrast": "FLAIR", "text": text}], voxels.astype(np.uint8), None)


def _written(size: int, folder: Path) -> Work:
    roots = (folder / str(number) for number in range(TIMES_AT_MOST))
    return lambda: _write(size, next(roots))


def _opened(size: int, folder: Path) -> Work:
    _write(size, folder / "cohort")
    return lambda: Cohort.open(folder / "cohort")


def _checked(size: int, folder: Path) -> Work:
    _write(size, folder / "cohort")
    return lambda: check_cohort(folder / "cohort")


def _read(size: int, folder: Path) -> Work:
    _write(size, folder / "cohort")
    cohort, rng = Cohort.open(folder / "cohort"), np.random.default_rng(0)
    return lambda: [cohort.read_volumes(rng.permutation(size)[:BATCH]) for _ in range(10)]


def _audited(size: int, folder: Path) -> Work:
    _write(size, folder / "cohort")
    cohort = Cohort.open(folder / "cohort")
    return lambda: near_duplicate_reports(cohort)


def _planned(size: int, _: Path) -> Work:
    ids = np.arange(size)
    plan = {"steps": size // BATCH, "batch_size": BATCH, "unique_texts": True, "flip": "random", "seed": 0}
    return lambda: plan_batches(ids, ids, **plan)


def _texts(size: int) -> list[str]:
    """Texts of three clauses, all different."""
    sides, parts = ("left", "right", "bilateral"), ("anterior", "posterior", "medial", "deep")
    regions = ("frontal lobe", "parietal lobe", "insula", "centrum semiovale", "corona radiata", "thalamus")
    places = [" ".join(words) for words in product(sides, parts, regions)]
    return [
        findings_text(Clause(place, "high signal") for place in some) for some in islice(permutations(places, 3), size)
    ]


def _tabled(size: int, _: Path) -> Work:
    texts = _texts(size)
    return lambda: TextSimilarity.of(TextTable.of(texts), SimilarityConfig(mix="syntax"))


def _ranked(size: int, _: Path) -> Work:
    vectors = np.random.default_rng(0).standard_normal((size, 64), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    label, factors = np.arange(size) % 200, np.random.default_rng(1).random((200, 8))
    truth = Relevance(factors / 8, factors, label)
    return lambda: search(vectors, vectors[:200], label, truth, np.ones(size))


def _resampled(size: int, _: Path) -> Work:
    scores = np.random.default_rng(0).random((size, 4))
    return lambda: bootstrap_columns(scores, np.ones(size), np.arange(size), 200)


def _frames(methods: int) -> Mapping[str, list[pd.DataFrame]]:
    """Scores of some methods, three seeds each, of 200 patients."""
    rng = np.random.default_rng(0)
    known = {"patient_id": _ids(200), "weight": 1.0}
    return {f"m{n}": [pd.DataFrame({**known, "score": rng.random(200)}) for _ in range(3)] for n in range(methods)}


def _rows(size: int, _: Path) -> Work:
    frames = _frames(size // 3)
    return lambda: row_intervals(frames, ["score"], (), n_resamples=1000)


def _contrasts(size: int, _: Path) -> Work:
    frames = _frames(60)
    pairs = list(islice(permutations(frames, 2), size))

    def work() -> list[float]:
        found = row_intervals(frames, ["score"], pairs, n_resamples=1000).differences
        return holm([difference.p_value for difference in found.values()])

    return work


STAGES: Mapping[str, Stage] = {
    "draw the phantom's patients, findings and reports": Stage("patients", _drawn, TO_25_000, small=(100, 200, 400)),
    "split": Stage("patients", _split),
    "write a cohort": Stage("patients", _written, TO_25_000),
    "open a cohort": Stage("patients", _opened, TO_25_000),
    "check a cohort": Stage("patients", _checked, TO_25_000),
    "find near-identical reports": Stage("patients", _audited, (1_500, 3_000, 6_000), (500, 1_000, 2_000), 2.1),
    "read 640 volumes at random": Stage("patients", _read, TO_25_000),
    "plan the batches of an epoch": Stage("patients", _planned, small=(4_000, 8_000, 16_000)),
    "table of texts and their similarity": Stage("texts", _tabled),
    "rank in both directions, 200 texts": Stage(  # 32,000 times 200 cosines leave the caches of some processors
        "candidates", _ranked, small=(8_000, 16_000, 32_000), most=1.4
    ),
    "resample a metric": Stage("patients", _resampled),
    "rows of a leaderboard, methods x 3 seeds": Stage("runs", _rows, (30, 120, 480, 1_920), (60, 120, 240)),
    "contrasts and Holm's adjustment": Stage("contrasts", _contrasts, (50, 200, 800, 3_200), (200, 400, 800)),
}
