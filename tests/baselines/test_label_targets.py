"""unicl and medclip: targets from the finding sets of a batch."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from baselines import medclip, unicl
from baselines.clip import clip_objective
from selip.data.cohort_declaration import DeclaredTask
from selip.data.findings import Finding, findings_to_json
from selip.system.errors import UnavailableError
from selip.training.objective import Batch
from selip.training.training_data import finding_sets

METHODS = [unicl.METHOD, medclip.METHOD]
LABELLED = SimpleNamespace(label_names=("abscess", "bleed", "infarct"), settings=medclip.OverlapSettings())
SETS = [(), (0,), (0,), (), (1, 2), (2,), (1, 2), (), (0, 1, 2), (1,)]


def vectors(sets, kinds=3):
    return torch.tensor([[float(kind in one) for kind in range(kinds)] for one in sets])


def make(sets=SETS, kinds=3, order=None, dtype=torch.float32):
    generator, size = torch.Generator().manual_seed(0), len(sets)
    volumes, texts = (F.normalize(torch.randn(size, 6, generator=generator), dim=1) for _ in range(2))
    order = torch.arange(size) if order is None else order
    leaves = [part[order].to(dtype).requires_grad_() for part in (volumes, texts)]
    scale = torch.tensor(14.29, requires_grad=True)
    return Batch(*leaves, scale, order, labels=vectors(sets, kinds)[order])


def supcon(z, sets):
    """SupCon's L_out (arXiv:2004.11362, equation 2) with texts as the contrasted views, both directions, halved."""
    total = torch.zeros((), dtype=torch.float64)
    for direction in (z, z.T):
        for i in range(len(sets)):
            positives = [p for p in range(len(sets)) if sets[p] == sets[i]]
            for p in positives:
                total = total - torch.log(direction[i, p].exp() / direction[i].exp().sum()) / len(positives) / len(sets)
    return total / 2


def semantic_matching(z, sets):
    """MedCLIP's loss: softmax over j of the cosine of label vectors, each direction by itself, halved."""
    named = [one or ("normal",) for one in sets]
    size, total = len(sets), torch.zeros((), dtype=torch.float64)
    s = [[len(set(a) & set(b)) / math.sqrt(len(a) * len(b)) for b in named] for a in named]
    for i in range(size):
        row, column = [math.exp(s[i][j]) for j in range(size)], [math.exp(s[j][i]) for j in range(size)]
        for j in range(size):
            total = total - row[j] / sum(row) * torch.log(z[i, j].exp() / z[i].exp().sum()) / size
            total = total - column[j] / sum(column) * torch.log(z[j, i].exp() / z[:, i].exp().sum()) / size
    return total / 2


@pytest.mark.parametrize(("method", "judge"), [(unicl.METHOD, supcon), (medclip.METHOD, semantic_matching)])
def test_equals_the_loop_with_gradients(method, judge):
    batch = make()
    leaves = (batch.volumes, batch.texts, batch.logit_scale)
    ours = method.prepare(LABELLED)(batch).value
    right = judge(batch.logit_scale.double() * batch.volumes.double() @ batch.texts.double().T, SETS)
    assert ours.item() == pytest.approx(right.item(), abs=5e-6)
    for found, wanted in zip(torch.autograd.grad(ours, leaves), torch.autograd.grad(right, leaves), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)


def test_unicl_of_different_sets_is_clip():
    batch = make([(), (0,), (1,), (0, 1), (2,)])
    loss = unicl.METHOD.prepare(LABELLED)(batch)
    assert torch.equal(loss.targets, torch.eye(5))
    assert loss.value.item() == pytest.approx(clip_objective(1.0)(batch).value.item(), abs=1e-6)


def test_unicl_normal_volumes_are_one_class_and_subsets_are_not_equal():
    targets = unicl.unicl_targets(vectors([(), (0,), (), (0, 1)]))
    half = [0.5, 0, 0.5, 0]
    assert targets.tolist() == [half, [0, 1, 0, 0], half, [0, 0, 0, 1]]


def test_unicl_counts_of_many_labels_are_exact():
    rows = (torch.rand(40, 300, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    rows[7] = rows[3]
    equal = [[float(torch.equal(one, other)) for other in rows] for one in rows]
    assert ((unicl.unicl_targets(rows) > 0).float()).tolist() == equal


def test_medclip_normal_is_a_class_of_its_own():
    targets = medclip.medclip_targets(vectors([(), (), (0,), (0, 1)]), temperature=1.0)
    assert targets[0, 0] == targets[0, 1]
    assert (targets[0, 0] / targets[0, 2]).item() == pytest.approx(math.e)
    assert (targets[2, 2] / targets[2, 3]).item() == pytest.approx(math.exp(1 - 1 / math.sqrt(2)))
    assert targets[2, 0] == targets[3, 1] / targets[3, 0] * targets[2, 1], "unrelated to every lesion type alike"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_targets_are_a_distribution_and_order_does_not_matter(method, dtype):
    order = torch.randperm(len(SETS), generator=torch.Generator().manual_seed(3))
    one, other = (method.prepare(LABELLED)(make(order=some, dtype=dtype)) for some in (None, order))
    assert one.value.item() == pytest.approx(other.value.item(), abs=1e-5)
    torch.testing.assert_close(one.targets[order][:, order], other.targets)
    torch.testing.assert_close(one.targets.sum(1), torch.ones(len(SETS)))
    assert one.targets.dtype == torch.float32
    assert (one.targets >= 0).all()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_all_normal_is_uniform(method):
    targets = method.prepare(LABELLED)(make([()] * 4)).targets
    torch.testing.assert_close(targets, torch.full((4, 4), 1 / 4))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_cohort_without_labels_is_skipped(method):
    with pytest.raises(UnavailableError, match=f"got a cohort without lesion types .*, which {method.name} needs"):
        method.prepare(SimpleNamespace(label_names=()))
    assert method.views == ("pairs", "labels")


def test_finding_sets_are_of_what_the_contrast_shows(small_cohort):
    rows = small_cohort.rows("train")
    names, labels = finding_sets(small_cohort, rows)
    for row, found in zip(rows, labels, strict=True):
        volume = small_cohort.volumes.iloc[row]
        known = small_cohort.findings(volume["study_id"])
        shown = {finding.lesion_type for finding in known if finding.clause(volume["contrast"])}
        assert {name for name, label in zip(names, found, strict=True) if label} == shown


def test_finding_sets_without_known_findings_are_the_labels_of_the_study(small_cohort):
    studies = small_cohort.studies.assign(findings="", labels='["infarct"]')
    texts = ["at brain shows no high signal", "", "an infarct is seen", "no abnormal signal in the brain"]
    volumes = small_cohort.volumes.iloc[:4].assign(text=texts)
    cohort = replace(small_cohort, studies=studies, volumes=volumes)
    names, labels = finding_sets(cohort, np.arange(4))
    assert names == ("infarct",)
    assert labels.tolist() == [[0], [0], [1], [0]]


def test_classes_that_a_cohort_declares_are_labels_and_metadata_are_not(small_cohort):
    studies = small_cohort.studies.assign(**{"findings": "", "labels": "[]", "label:grade": "3", "label:sex": "male"})
    studies.loc[studies["study_id"] == small_cohort.volumes["study_id"].iloc[0], "label:grade"] = ""
    tasks = {"label:grade": DeclaredTask(), "label:sex": DeclaredTask(metadata=True)}
    cohort = replace(small_cohort, studies=studies, info=replace(small_cohort.info, tasks=tasks))
    names, labels = finding_sets(cohort, np.arange(len(cohort.volumes)))
    assert names == ("grade: 3",)
    unknown = cohort.volumes["study_id"] == cohort.volumes["study_id"].iloc[0]
    assert np.array_equal(labels[:, 0].numpy(), [np.nan if one else 1.0 for one in unknown], equal_nan=True)


def test_findings_without_a_type_leave_the_labels_of_the_study(small_cohort):
    untyped = findings_to_json([Finding("", "thalamus", "left", {"T1": "low signal"})])
    studies = small_cohort.studies.assign(findings=untyped, labels='["glioma"]')
    volumes = small_cohort.volumes.iloc[:2].assign(text="at left thalamus shows low signal")
    names, labels = finding_sets(replace(small_cohort, studies=studies, volumes=volumes), np.arange(2))
    assert (names, labels.tolist()) == (("glioma",), [[1.0], [1.0]])


@pytest.mark.parametrize("targets", [unicl.unicl_targets, partial(medclip.medclip_targets, temperature=1.0)])
def test_a_volume_of_unknown_state_is_like_none_and_changes_no_other(targets):
    labels = vectors(SETS)
    unknown = torch.tensor([0, 4])
    labels[unknown] = torch.nan
    rest = [row for row in range(len(SETS)) if row not in unknown.tolist()]
    found = targets(labels)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.sum(1), torch.ones(len(SETS)))
    for row in unknown.tolist():
        others = [other for other in range(len(SETS)) if other != row]
        assert torch.unique(found[row, others]).numel() == 1
        assert found[row, row] > found[row, others[0]]
    judge = targets(vectors([SETS[row] for row in rest]))
    within = found[rest][:, rest]
    torch.testing.assert_close(within / within.sum(1, keepdim=True), judge)


def test_finding_sets_of_unknown_volumes_are_unknown(small_cohort):
    states = ["unknown" if row == 1 else "abnormal" for row in range(len(small_cohort.volumes))]
    cohort = replace(small_cohort, volumes=small_cohort.volumes.assign(state=states))
    _, labels = finding_sets(cohort, np.arange(4))
    assert labels.isnan().any(1).tolist() == [False, True, False, False]
