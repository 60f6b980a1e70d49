"""A cohort of tables alone, and subjects whose vectors are known: what the tests of classification share."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch

from selip.data.cohort import Cohort, CohortInfo
from selip.data.findings import Finding, clauses_of, findings_from_json, findings_text, findings_to_json
from selip.models.embeddings import Embeddings
from selip.models.scored_model import Subject

TYPES = {
    "infarct": {"FLAIR": "patchy high signal", "T1": "slightly low signal"},
    "plaque": {"FLAIR": "ovoid high signal", "T1": "ovoid low signal"},
    "cyst": {"FLAIR": "round low signal"},
}
REGIONS = ("thalamus", "frontal lobe", "cerebellum")
GRADES = ("low-grade glioma", "high-grade glioma")
SHAPE = (12, 12, 8)
PARTS = ("train", "train", "train", "val", "test", "test")


@dataclass(frozen=True)
class ToyCohort(Cohort):
    """Volumes in memory: noise, and a bright block whose place tells the lesion type or the grade that was painted."""

    def read_volumes(self, rows):
        studies = self.studies.set_index("study_id")["painted"]
        names = ["normal", *TYPES, *GRADES]
        voxels = np.random.default_rng(0).integers(0, 60, (len(self.volumes), *SHAPE), dtype=np.uint8)[np.asarray(rows)]
        for voxel, study in zip(voxels, self.volumes["study_id"].iloc[rows], strict=True):
            place = names.index(json.loads(studies[study])[0])
            voxel[2 * place : 2 * place + 2] = 255
        return voxels


def toy_cohort(n_patients=240, seed=0, contrasts=("FLAIR", "T1"), types=TYPES, normal=0.3):
    """One study a patient, at most one finding each; the sites and ages tell nothing."""
    rng = np.random.default_rng(seed)
    studies, volumes = [], []
    for number in range(n_patients):
        kind = str(rng.choice(sorted(types)))
        signals = types[kind]
        finding = Finding(kind, str(rng.choice(REGIONS)), str(rng.choice(["left", "right"])), signals)
        found = [] if rng.random() < normal else [finding]
        name, site, part = f"p{number}", f"site{rng.integers(3)}", PARTS[number % len(PARTS)]
        common = {"study_id": name, "patient_id": name, "split": part, "site": site}
        labels = json.dumps([one.lesion_type for one in found] or ["normal"])
        age = str(rng.integers(20, 90))
        studies.append(common | {"findings": findings_to_json(found), "labels": labels, "age": age, "painted": labels})
        volumes += [
            common | {"volume_id": f"{name}_{c}", "contrast": c, "text": findings_text(clauses_of(found, c))}
            for c in contrasts
        ]
    info = CohortInfo("toy", "", seed, True, SHAPE, (1.0, 2.0, 3.0), contrasts)
    return ToyCohort(Path(), info, pd.DataFrame(studies), pd.DataFrame(volumes))


def glioma_cohort(n_patients=120, seed=1):
    """A second cohort of one contrast that shows gliomas of both grades."""
    types = {name: {"T1c": f"{word} signal"} for name, word in zip(GRADES, ("low", "high"), strict=True)}
    return toy_cohort(n_patients, seed, ("T1c",), types, normal=0.0)


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def encode_text(texts):
    """Sum of one fixed random direction for each word."""
    words = [text.replace(";", "").split() for text in texts]
    return unit(np.stack([sum(_direction(word) for word in set(some)) for some in words]))


def _direction(word):
    return np.random.default_rng(zlib.crc32(word.encode())).normal(size=256)


def label_vectors(cohort, part):
    """One-hot vectors of all that a volume shows: type, region, side, or nothing."""
    volumes = cohort.volumes[cohort.volumes["split"] == part]
    findings = cohort.studies.set_index("study_id")["findings"]
    names = ["", "left", "right", *TYPES, *GRADES, *REGIONS]
    vectors = np.zeros((len(volumes), len(names)))
    for row, (study, contrast) in enumerate(zip(volumes["study_id"], volumes["contrast"], strict=True)):
        shown = [one for one in findings_from_json(findings[study]) if one.clause(contrast)]
        for word in [word for one in shown for word in (one.lesion_type, one.region, one.side)] or [""]:
            vectors[row, names.index(word)] = 1
    return vectors


def toy_subject(vectors="perfect", cohort=None, transfer=None, seed=0):
    """A subject that needs no model: "perfect" vectors are one-hot labels, "text" ones those of the volume's text."""
    cohort, known = cohort or toy_cohort(), {}
    for name, one in (("cohort", cohort), ("transfer", transfer)):
        for part in ("train", "val", "test") if one else ():
            items = one.volumes[one.volumes["split"] == part].reset_index(drop=True)
            rng = np.random.default_rng([seed, zlib.crc32((name + part).encode())])
            made = {
                "perfect": lambda one=one, part=part: label_vectors(one, part),
                "text": lambda items=items: encode_text(items["text"]),
                "random": lambda items=items, rng=rng: rng.normal(size=(len(items), 24)),
            }[vectors]()
            known[name, part] = Embeddings(items, unit(made), made.astype(np.float32), encode_text, {}, [])
    texts = list(cohort.volumes["text"][cohort.volumes["split"] == "train"])
    model = SimpleNamespace(logit_scale=torch.tensor(1 / 0.07))
    return Subject(model, cohort, texts, transfer=transfer, _known=known)


def poisoned(subject, seed=5):
    """The same subject with the truth of its test studies dealt out anew; what a volume looks like stays."""
    cohort = subject.cohort
    studies = cohort.studies.copy()
    rows = np.flatnonzero(studies["split"] == "test")
    dealt = np.random.default_rng(seed).permutation(rows)
    for column in ("findings", "labels"):
        studies.loc[rows, column] = studies[column].to_numpy()[dealt]
    moved = replace(cohort, studies=studies)
    texts = cohort.volumes["text"].to_numpy(object)
    source = dict(zip(studies["study_id"].iloc[rows], studies["study_id"].iloc[dealt], strict=True))
    by_volume = dict(zip(cohort.volumes["volume_id"], texts, strict=True))
    names = zip(moved.volumes["study_id"], moved.volumes["contrast"], strict=True)
    volumes = moved.volumes.assign(text=[by_volume[f"{source.get(study, study)}_{c}"] for study, c in names])
    return replace(subject, cohort=replace(moved, volumes=volumes))
