"""Subgroups: retrieval within groups of patients and volumes, the worst of them, and a test of every gap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import f

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.classification.class_tasks import own_tasks
from benchmarks.classification.labels import MIN_PATIENTS
from benchmarks.metrics.resampling import replicates_of, resampler_of
from benchmarks.retrieval.text_bank import check_embeddings
from benchmarks.statistics.intervals import holm
from benchmarks.statistics.metric_summary import summarise_pool
from benchmarks.tasks.robustness import mrr_of
from selip.data.cohort import Cohort, lesion_of
from selip.data.states import ABNORMAL, states_of
from selip.models.scored_model import Subject
from selip.records.declaration import Declared
from selip.records.record import Metric
from selip.system.arrays import BoolArray, FloatArray
from selip.system.errors import UnavailableError

AGES = {"under_40": (0, 40), "40_to_59": (40, 60), "60_and_over": (60, np.inf)}
SIZES = ("small", "medium", "large")
Groups = Mapping[str, BoolArray]
"""Name of a group to its mask (n,) of the items."""
NOTES = {
    "groups": "contrast; site, which stands for the scanner; age under 40, 40 to 59, 60 and over; lesion size, thirds "
    "of the scored volumes by the mask; and every class that the cohort declares, as sex; a volume of which it is not "
    f"known is in none; a group of fewer than {MIN_PATIENTS} patients is left out",
    "MRR": "of abnormal volumes and their distinct texts in one gallery for all groups, mean of both directions; ties "
    "count against us",
    "worst": "MRR of the group where it is lowest, over all kinds of group; it was chosen on the scored part, so it is "
    "a lower bound",
    "gap": "MRR of the best less that of the worst group of a kind, which chance alone keeps above 0",
    "test": "that all groups of a kind have the same MRR: Wald's statistic with the covariance of the group means from "
    "resampled patients, by F with the patients of the smallest group; Holm's steps over the kinds of group; it is of "
    "this run alone, and a model that finds nothing has gaps of its own, which another seed does not repeat",
    "chance": "exact expectation under a random ranking of the same gallery; of the worst group: the lowest of a group",
    "interval": "percentile bootstrap over patients with all their volumes; which group is best or worst is held fixed",
}


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores every group of the scored part.

    Raises:
        UnavailableError: When no kind of group has two groups of enough patients.
    """
    embeddings = subject.embeddings()
    check_embeddings(embeddings)
    rows = np.flatnonzero(states_of(embeddings.items) == ABNORMAL)
    items = embeddings.items.iloc[rows].reset_index(drop=True)
    kinds = dict(kinds_of(subject.cohort, items)) if len(rows) else {}
    if not kinds:
        raise UnavailableError(f"got no two groups of {MIN_PATIENTS} abnormal patients each; use a larger cohort")
    return score(items, mrr_of(subject, items)(embeddings.volumes[rows]), kinds, options)


def score(
    items: pd.DataFrame, found: Mapping[str, FloatArray], kinds: Mapping[str, Groups], options: ScoreOptions
) -> Score:
    """Scores groups of items by their MRR and its chance; see `score_subject`."""
    columns = {name: found[name] for name in ("MRR", "MRR/chance")}
    pools = {f"{kind}_{name}": own for kind, groups in kinds.items() for name, own in groups.items()}
    overall = columns | _extremes(columns, kinds, pools)
    metrics: dict[str, Metric]
    metrics, frame = summarise_pool("overall", items, overall, options)
    frames = [frame]
    for pool, own in pools.items():
        each, frame = summarise_pool(pool, items[own], {name: values[own] for name, values in columns.items()}, options)
        metrics |= each
        frames.append(frame)
    for kind in kinds:
        metrics[f"overall/gap_{kind}"] = metrics[f"overall/gap_{kind}"].model_copy(update={"higher_is_better": False})
    notes = NOTES | dict(_tests(found["MRR"], items["patient_id"], kinds, options))
    return Score(metrics, pd.concat(frames, ignore_index=True), notes)


def kinds_of(cohort: Cohort, items: pd.DataFrame) -> Iterator[tuple[str, Groups]]:
    """Kinds of group of the items, with at least two groups of MIN_PATIENTS."""
    studies = cohort.studies.set_index("study_id").loc[items["study_id"]]
    age = pd.to_numeric(studies["age"], errors="coerce").to_numpy(np.float64)
    labels = {"contrast": items["contrast"], "site": items["site"]}
    labels |= {task.name: studies[task.column] for task in own_tasks(cohort)}
    every: dict[str, Groups] = {
        kind: {name: (told == name).to_numpy(bool) for name in sorted(set(told) - {""})}
        for kind, told in labels.items()
    }
    every["age"] = {name: (age >= low) & (age < high) for name, (low, high) in AGES.items()}
    every["lesion"] = _by_size(cohort, items)
    for kind, groups in every.items():
        kept = {n.replace("/", "-"): own for n, own in groups.items() if _n_patients(items, own) >= MIN_PATIENTS}
        if len(kept) > 1:
            yield kind, kept


def _n_patients(items: pd.DataFrame, own: npt.NDArray) -> int:
    return int(items["patient_id"][own].nunique())


def _by_size(cohort: Cohort, items: pd.DataFrame) -> Groups:
    """Thirds of the items by the volume of their study's mask; items without one are in none."""
    studies = cohort.studies
    rows = np.flatnonzero(studies["study_id"].isin(items["study_id"]) & (studies["has_mask"] == "1"))
    if not len(rows):
        return {}
    size = dict(zip(studies["study_id"].iloc[rows], lesion_of(cohort.read_masks(rows)).sum((1, 2, 3)), strict=True))
    voxels = items["study_id"].map(size).fillna(0).to_numpy(np.float64)
    if not (voxels > 0).any():
        return {}
    third = np.searchsorted(np.quantile(voxels[voxels > 0], [1 / 3, 2 / 3]), voxels)
    return {name: (third == number) & (voxels > 0) for number, name in enumerate(SIZES)}


def _extremes(columns: Mapping[str, FloatArray], kinds: Mapping[str, Groups], pools: Groups) -> dict[str, FloatArray]:
    """Columns (n,) of all items whose means are the MRR of the worst group and the gap of each kind.

    The mean of a group plus each item's distance from it, by how much larger the whole is than the group: the mean of
    every method is over the same items, and that of a resample varies as that of the group alone.
    """
    mrr, chance = columns["MRR"], columns["MRR/chance"]
    worst = min(pools, key=lambda pool: (mrr[pools[pool]].mean(), pool))
    lowest = min(chance[own].mean() for own in pools.values())
    found = {"worst": _mean_of(mrr, pools[worst]), "worst/chance": np.full(len(mrr), lowest)}
    for kind, groups in kinds.items():
        order = sorted(groups.values(), key=lambda own: mrr[own].mean())
        found[f"gap_{kind}"] = _mean_of(mrr, order[-1]) - _mean_of(mrr, order[0])
    return found


def _mean_of(values: FloatArray, own: BoolArray) -> FloatArray:
    mean = values[own].mean()
    return np.asarray(mean + (values - mean) * own * len(own) / own.sum())


def _tests(
    mrr: FloatArray, patients: pd.Series, kinds: Mapping[str, Groups], options: ScoreOptions
) -> Iterator[tuple[str, str]]:
    """The groups of each kind in words, with the test that they are equal."""
    tested = {kind: equal_means(mrr, patients, groups, options) for kind, groups in kinds.items()}
    steps = holm([p for _, p in tested.values()])
    for (kind, (statistic, p)), stepped in zip(tested.items(), steps, strict=True):
        means = {name: float(mrr[own].mean()) for name, own in kinds[kind].items()}
        said = ", ".join(
            f"{name} {means[name]:.3f} of {patients[kinds[kind][name]].nunique()} patients"
            for name in sorted(means, key=means.__getitem__)
        )
        yield (
            f"by {kind}",
            f"{said}; F {statistic:.2f}, p {p:.3g}, Holm p over {len(kinds)} kinds {stepped:.3g}",
        )


def equal_means(values: FloatArray, patients: pd.Series, groups: Groups, options: ScoreOptions) -> tuple[float, float]:
    """Wald's F that groups of the values (n,) have one mean, and its p-value; groups may share patients."""
    table = np.column_stack([np.where(own, values, np.nan) for own in groups.values()])
    names, codes = np.unique(patients, return_inverse=True)
    drawn = replicates_of(
        [resampler_of(table, np.ones(len(values)), codes, "mean")], len(names), options.n_resamples, options.seed
    )
    off = drawn.values[0][1:] - drawn.values[0][0]
    moved = drawn.cases[np.isfinite(drawn.cases).all(axis=1)]
    spread = np.atleast_2d(np.cov((moved[:, 1:] - moved[:, :1]).T))
    statistic = float(off @ np.linalg.pinv(spread) @ off) / len(off)
    members = [set(patients[own]) for own in groups.values()]
    smallest, free = min(map(len, members)), min(map(len, members)) - 1
    if sum(map(len, members)) > len(set().union(*members)):  # Hotelling's T squared, as the spread is of pairs
        free = max(1, smallest - len(off))
        statistic *= free / smallest  # a bootstrap divides by n where the covariance divides by n - 1
    return statistic, float(f.sf(statistic, len(off), free))


BENCHMARK = Benchmark(
    name="subgroups",
    summary="retrieval by contrast, site, age, lesion size and declared classes: the worst group, tests of gaps",
    protocol_version="1",
    source="worst-group performance (Sagawa et al. 2020, arXiv:1911.08731), as in medical fairness audits",
    score=score_subject,
    declared=Declared(
        family="subgroups",
        label="subgroups",
        place=57,
        headline=("overall/worst",),
        headline_label="MRR of the worst group",
        pools=("overall",),
        words={"worst": "MRR of the worst group", "MRR": "MRR of all"},
    ),
)
