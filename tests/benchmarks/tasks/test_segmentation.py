from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import benchmarks.segmentation.unet_reference
from benchmarks.benchmark import ScoreOptions
from benchmarks.metrics.mask_metrics import HIGHER_IS_BETTER, score_masks
from benchmarks.segmentation.decoder import make_segmenter
from benchmarks.segmentation.masked_volumes import Cases, best_slice, case_pictures, load_cases
from benchmarks.segmentation.unet_reference import Reference, kept_reference
from benchmarks.settings import SegmentationConfig
from benchmarks.tasks.segmentation import BENCHMARK, load_task, run_network, score_subject
from selip.data.cohort import IGNORE, Cohort, CohortInfo
from selip.data.cohort_writer import CohortWriter
from selip.data.findings import Finding, clauses_of, findings_text, findings_to_json
from selip.models.dual_encoder import DualEncoder
from selip.models.scored_model import Subject
from selip.models.settings import ModelConfig, SliceConfig
from selip.models.text_towers import make_tokens
from selip.system.errors import InputError
from selip.training.training_data import load_training_data

SHAPE, SPACING_MM = (32, 16, 16), (4.0, 4.0, 5.0)
CONTRASTS = ("T1", "FLAIR")
SMALL = ModelConfig(
    volume_tower="resnet10", width=4, stages=2, stem_kernel=3, pooled_shape=(2, 2, 1), text_width=32, text_layers=1,
    embedding_size=8, centre_projections=False,
)  # fmt: skip
SLICES = replace(SMALL, volume_tower="open_clip_slices", slices=SliceConfig(slices=4, image_size=32))
PLAQUE = Finding("plaque", "thalamus", "left", {"FLAIR": "high signal"})
BLEED = Finding("bleed", "insula", "right", {"FLAIR": "low signal", "T1": "high signal"})
FINDINGS = ([PLAQUE], [BLEED, PLAQUE], [], [BLEED])
METRIC_NAMES = (*HIGHER_IS_BETTER, "median_hd95_mm")


def write_cohort(root, poisoned=()):
    """Twenty-four patients, a bright box where the mask is; every fourth is normal, the masks of two are not known.

    The masks of the `poisoned` parts are all turned over.
    """
    rng = np.random.default_rng(0)
    info = CohortInfo("boxes", "tiny", 0, True, SHAPE, SPACING_MM, CONTRASTS)
    with CohortWriter(root, info) as writer:
        for number in range(24):
            findings, part = FINDINGS[number % 4], ("train", "train", "train", "val", "test", "test")[number % 6]
            mask = np.zeros(SHAPE, np.uint8)
            if findings and number != 7:
                i, j, k = rng.integers(1, (24, 8, 8))
                mask[i : i + 7, j : j + 6, k : k + 5] = 1 + number % 2
            arrays = [(rng.integers(20, 120, SHAPE) + 100 * (mask > 0)).astype(np.uint8) for _ in CONTRASTS]
            study = {
                "study_id": f"s{number}", "patient_id": f"p{number}", "split": part, "site": "a", "report": "",
                "findings": findings_to_json(findings), "labels": json.dumps([one.lesion_type for one in findings]),
            }  # fmt: skip
            rows = [{"contrast": name, "text": findings_text(clauses_of(findings, name))} for name in CONTRASTS]
            known = (mask == 0).astype(np.uint8) if part in poisoned else mask
            writer.add_study(study, rows, np.stack(arrays), None if number in (5, 12) else known)
    return Cohort.open(root)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("boxes") / "cohort")


@pytest.fixture(scope="module")
def make_subject():
    def make(cohort, config=SMALL, shared=None, seed=0):
        data = load_training_data(cohort, torch.device("cpu"))
        torch.manual_seed(seed)
        model = DualEncoder(config, SHAPE, make_tokens(config, data.texts.texts)).eval()
        model.intensity.fit(data.volumes, data.contrasts)
        return Subject(model, cohort, [], shared=shared)

    return make


def options(seed=0, **settings):
    small = {"steps": 8, "batch_size": 2, "learning_rate": 3e-2, "validations": 2, "width": 4}
    small |= {"label_fractions": (0.3, 1.0)}
    return ScoreOptions(n_resamples=20, seed=seed, segmentation=SegmentationConfig(**(small | settings)))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def subject(cohort, make_subject, shared):
    return make_subject(cohort, shared=shared)


@pytest.fixture(scope="module")
def score(subject):
    return score_subject(subject, options())


def val_notes(score):
    return {name: note for name, note in score.notes.items() if name.startswith("val ")}


def test_every_pool_has_every_metric_with_its_references(score):
    pools = ("frozen_30pct", "fine_tuned_30pct", "frozen", "fine_tuned")
    expected = {
        f"{pool}/{name}{beside}" for pool in pools for name in METRIC_NAMES for beside in ("", "/empty", "/monai_unet")
    }
    assert set(score.metrics) == expected
    assert set(score.per_item["pool"]) == set(pools)
    for key, metric in score.metrics.items():
        assert metric.higher_is_better == ("hd95_mm" not in key)
        assert metric.statistic == ("median" if "/median" in key else "mean")
    for name in METRIC_NAMES:
        unet = {pool: score.metrics[f"{pool}/{name}/monai_unet"].value for pool in pools}
        assert unet["frozen"] == unet["fine_tuned"]
        assert unet["frozen_30pct"] == unet["fine_tuned_30pct"]


def test_metrics_are_the_mean_and_median_of_the_cases(score):
    own = score.per_item[score.per_item["pool"] == "frozen"]
    for name in HIGHER_IS_BETTER:
        assert score.metrics[f"frozen/{name}"].value == pytest.approx(own[name].mean())
    assert score.metrics["frozen/median_hd95_mm"].value == pytest.approx(
        np.quantile(own["hd95_mm"], 0.5, method="inverted_cdf")
    )


def test_predicting_nothing_has_the_score_of_empty_masks(score, subject):
    truth = load_cases(subject.cohort, "test", subject.model.intensity).cases.masks[:, 0].numpy()
    nothing = score_masks(np.zeros_like(truth), truth, SPACING_MM).mean()
    for name in HIGHER_IS_BETTER:
        assert score.metrics[f"frozen/{name}/empty"].value == pytest.approx(nothing[name])


def test_cases_are_abnormal_volumes_of_studies_with_a_mask(subject):
    part = load_cases(subject.cohort, "train", subject.model.intensity)
    items = part.items.set_index("item_id")
    volumes, studies = subject.cohort.volumes, subject.cohort.studies.set_index("study_id")
    expected = [
        row.volume_id for row in volumes.itertuples()
        if row.split == "train" and "shows" in row.text and row.study_id != "s12"
    ]  # fmt: skip
    assert list(items.index) == expected
    assert "s0_T1" not in items.index, "a plaque that T1 does not show"
    for row, (name, item) in enumerate(items.iterrows()):
        study = name.split("_")[0]
        mask = subject.cohort.read_masks([studies.index.get_loc(study)])[0] > 0
        stored = subject.cohort.read_volumes([int(volumes.index[volumes["volume_id"] == name][0])])[0]
        assert np.array_equal(part.cases.masks[row, 0].numpy(), mask)
        assert np.array_equal(part.cases.volumes[row, 0].numpy(), stored)
        assert item["lesion_ml"] == pytest.approx(mask.sum() * 0.08)
    assert items.loc["s1_FLAIR", "lesion_type"] == "bleed + plaque"
    assert items.loc["s1_T1", "lesion_type"] == "bleed"


class Ignoring(Cohort):
    """The same cohort with the right third of each mask not scored."""

    def read_masks(self, rows):
        masks = super().read_masks(rows)
        masks[:, 20:] = IGNORE
        return masks


def test_voxels_that_are_not_scored_are_no_lesion(subject):
    intensity, cohort = subject.model.intensity, subject.cohort
    plain = load_cases(cohort, "train", intensity).cases
    part = load_cases(Ignoring(cohort.root, cohort.info, cohort.studies, cohort.volumes), "train", intensity)
    assert plain.ignored is None
    assert part.cases.ignored[:, :, 20:].all()
    assert not part.cases.ignored[:, :, :20].any()
    assert torch.equal(part.cases.masks, plain.masks & ~part.cases.ignored)
    assert part.items["lesion_ml"].sum() == pytest.approx(0.08 * int(part.cases.masks.sum()))
    one = part.cases.of(torch.tensor([3]))
    assert torch.equal(one.ignored[0], part.cases.ignored[3])


def test_inputs_are_those_of_the_model(subject):
    cases = load_cases(subject.cohort, "val", subject.model.intensity).cases
    rows = torch.tensor([1, 0])
    stored = cases.volumes[rows].float() / 255
    expected = subject.model.intensity(stored, cases.contrasts[rows])
    assert torch.equal(cases.inputs(rows, torch.device("cpu")), expected)
    assert torch.equal(cases.of(rows).inputs(torch.tensor([0, 1]), torch.device("cpu")), expected)


def test_shares_of_the_patients_are_nested_seeded_and_whole(subject):
    task = load_task(subject, options())
    seen = [set(task.with_share(share).parts["train"].items["item_id"]) for share in (0.2, 0.5, 1.0)]
    assert seen[0] < seen[1] < seen[2] == set(task.parts["train"].items["item_id"])
    assert seen[1] == set(load_task(subject, options()).with_share(0.5).parts["train"].items["item_id"])
    patients = task.with_share(0.5).parts["train"].items["patient_id"].unique()
    everyone = task.parts["train"].items
    assert len(patients) == -(-everyone["patient_id"].nunique() // 2)
    assert seen[1] == set(everyone.loc[everyone["patient_id"].isin(patients), "item_id"])
    others = {
        frozenset(load_task(subject, options(seed)).with_share(0.2).parts["train"].items["item_id"])
        for seed in range(6)
    }
    assert len(others) > 1


class Amplified(torch.nn.Module):
    """Tells voxels above a half from those below."""

    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(20.0))

    def forward(self, volumes):
        return self.factor * (volumes - 0.5)


def test_a_network_that_is_shown_the_truth_is_perfect(subject):
    task = load_task(subject, options())
    told = {name: replace(p, cases=Cases(p.cases.masks.float(), p.cases.masks)) for name, p in task.parts.items()}
    outcome = run_network(replace(task, parts=told), Amplified(), seed=0)
    assert np.array_equal(outcome.predicted, task.scored.cases.masks[:, 0].numpy())
    assert (outcome.scores == [1.0, 0.0, 1.0, 1.0]).all(axis=None)


def test_the_same_seed_gives_the_same_score_with_and_without_the_kept_reference(score, subject, cohort, make_subject):
    again = score_subject(make_subject(cohort), options())
    assert again.metrics == score.metrics
    assert again.notes == score.notes
    pd.testing.assert_frame_equal(again.per_item, score.per_item)


def test_test_masks_change_no_choice(score, tmp_path, make_subject):
    other = make_subject(write_cohort(tmp_path / "cohort", poisoned=("test",)))
    poisoned = score_subject(other, options(label_fractions=(1.0,)))
    assert val_notes(poisoned).items() <= val_notes(score).items()
    assert set(val_notes(poisoned)) == {"val frozen", "val fine_tuned", "val monai_unet"}
    assert poisoned.metrics["frozen/dice"] != score.metrics["frozen/dice"]


def test_val_masks_change_the_choice(score, tmp_path, make_subject):
    other = make_subject(write_cohort(tmp_path / "cohort", poisoned=("val",)))
    poisoned = score_subject(other, options(arms=("frozen",), label_fractions=(1.0,)))
    assert poisoned.notes["val frozen"] != score.notes["val frozen"]


def test_every_method_starts_with_the_same_decoder_and_order(subject):
    task = load_task(subject, options())
    assert task.seed("frozen", 0.1) == load_task(subject, options()).seed("frozen", 0.1)
    names = [task.seed(arm, share) for arm in ("frozen", "fine_tuned") for share in (0.1, 1.0)]
    assert len({*names, load_task(subject, options(1)).seed("frozen", 1.0)}) == 5


def test_the_model_stays_as_it_is(score, subject, make_subject):
    fresh = make_subject(subject.cohort).model.state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in subject.model.state_dict().items())
    assert all(parameter.requires_grad for parameter in subject.model.parameters())


def test_a_slice_tower_is_scored_in_both_arms_even_when_it_was_pretrained_frozen(cohort, make_subject, shared):
    tower = replace(SLICES, slices=replace(SLICES.slices, freeze=True))
    found = score_subject(make_subject(cohort, tower, shared), options(label_fractions=(1.0,)))
    assert {key.split("/")[0] for key in found.metrics} == {"frozen", "fine_tuned"}
    assert np.isfinite([metric.value for metric in found.metrics.values()]).all()
    for frozen in (True, False):
        network = make_segmenter(make_subject(cohort, tower).model.volume_tower, frozen=frozen, seed=0)
        assert {parameter.requires_grad for parameter in network.tower.parameters()} == {not frozen}


def test_pictures_show_best_median_and_worst_of_each_pool(score):
    assert len(score.pictures) == 12
    frozen = score.per_item[score.per_item["pool"] == "frozen"].set_index("item_id")
    lesions = frozen[frozen["lesion_ml"] > 0]["dice"]
    shown = {picture.rank: picture for picture in score.pictures if picture.pool == "frozen"}
    assert list(shown) == ["best", "median", "worst"]
    assert frozen["dice"][shown["best"].item_id] == lesions.max()
    assert frozen["dice"][shown["worst"].item_id] == lesions.min()
    for picture in shown.values():
        assert picture.voxels.shape == picture.truth.shape == picture.predicted.shape == SHAPE[:2]
        assert picture.truth.any()
        assert picture.rank in picture.caption
        assert picture.voxels.base is None, "a view would keep the whole part in memory"


def test_pictures_of_one_case_and_of_empty_masks():
    items = pd.DataFrame({"item_id": ["a"], "text": ["t"], "dice": [0.0], "lesion_ml": [0.0]})
    empty, found = np.zeros((1, 3, 4, 5), bool), np.zeros((1, 3, 4, 5), bool)
    found[0, 1, 1, 3] = True
    (picture,) = case_pictures("frozen", items, np.ones((1, 3, 4, 5), np.uint8), empty, found, (1, 2, 3))
    assert (picture.rank, picture.spacing_mm, picture.predicted.sum()) == ("best", (1.0, 2.0), 1)
    assert best_slice(empty[0], empty[0]) == 0


def test_the_reference_is_trained_once_and_again_when_its_file_is_damaged(tmp_path):
    made = []

    def train():
        made.append(1)
        return Reference(pd.DataFrame(0.5, index=range(2), columns=list(HIGHER_IS_BETTER)), "chosen step 1")

    def keep(key="a", cases=("x", "y")):
        return kept_reference(tmp_path, key, list(cases), train)

    first = keep()
    again = keep()
    assert len(made) == 1
    pd.testing.assert_frame_equal(first.scores, again.scores)
    assert first.history == again.history
    (path,) = tmp_path.glob("*.parquet")
    whole = path.read_bytes()
    for position in range(4, len(whole), 211):  # some bytes of the format carry nothing
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 255]) + whole[position + 1 :])
        pd.testing.assert_frame_equal(keep().scores, first.scores)
    assert len(made) > 1
    for damage in (b"", whole[:200], whole.replace(b"PAR1", b"PAR2")):
        path.write_bytes(damage)
        before = len(made)
        pd.testing.assert_frame_equal(keep().scores, first.scores)
        assert (len(made), path.read_bytes()) == (before + 1, whole)
    for other in ({"key": "b"}, {"cases": ("y", "x")}):
        before = len(made)
        keep(**other)
        assert len(made) == before + 1
    assert len(kept_reference(None, "a", ["x", "y"], train).scores) == 2
    assert not list(tmp_path.glob(".*"))


def test_one_process_trains_the_reference_and_another_can_do_something_else_first(tmp_path):
    made = Reference(pd.DataFrame(0.5, index=range(1), columns=list(HIGHER_IS_BETTER)), "chosen step 1")

    def train():
        assert kept_reference(tmp_path, "a", ["x"], lambda: pytest.fail("trained twice"), wait=False) is None
        return made

    assert kept_reference(tmp_path, "a", ["x"], train, wait=False) is made
    found = kept_reference(tmp_path, "a", ["x"], lambda: pytest.fail("trained again"), wait=False)
    pd.testing.assert_frame_equal(found.scores, made.scores)


def test_a_second_method_reads_the_reference(score, subject, cohort, make_subject, shared, monkeypatch):
    monkeypatch.setattr(
        benchmarks.segmentation.unet_reference, "write_atomically", lambda *_: pytest.fail("trained again")
    )
    other = score_subject(make_subject(cohort, shared=shared, seed=1), options(arms=("frozen",)))
    for key, metric in other.metrics.items():
        if key.endswith("/monai_unet"):
            assert metric == score.metrics[key]
    assert other.metrics["frozen/dice"] != score.metrics["frozen/dice"]


def test_notes_say_what_was_counted(score):
    assert score.notes["part test"].startswith("8 volumes of 5 patients")
    assert score.notes["part train"].endswith("2 with an empty mask")
    assert "random_init" in score.notes["arms"]
    assert "does not show" in score.notes["cases"]
    assert score.notes["val frozen"].startswith("chosen step")
    assert (BENCHMARK.name, BENCHMARK.needs_text, BENCHMARK.protocol_version) == ("segmentation", False, "1")


def test_wrong_input_is_refused(subject, cohort):
    with pytest.raises(InputError, match="split"):
        score_subject(replace(subject, split="val"), options())
    bare = replace(cohort, studies=cohort.studies.assign(has_mask="0"))
    with pytest.raises(InputError, match="no abnormal volume with a mask in the train part"):
        score_subject(replace(subject, cohort=bare), options())
    finer = replace(cohort, info=replace(cohort.info, shape=(8, 8, 8)))
    with pytest.raises(InputError, match="--like"):
        score_subject(replace(subject, cohort=finer), options())
    with pytest.raises(InputError, match="arms"):
        SegmentationConfig(arms=())
    with pytest.raises(InputError, match="each once"):
        SegmentationConfig(label_fractions=(1.0, 1.0))
