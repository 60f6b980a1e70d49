"""The tables of the two real packs: what their README files count is what an import would read; no voxel is read."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest

from selip.cohorts.importing.study_rows import check_described, check_folds, check_splits, group_studies
from selip.cohorts.importing.volume_table import read_rows
from selip.data.cohort_declaration import read_declaration

spec = importlib.util.spec_from_file_location("real_tables", Path(__file__).parents[3] / "docs" / "real_tables.py")
real_tables = sys.modules["real_tables"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(real_tables)
PACKS = {"lgg": "tcga_lgg", "cheng": "cheng_t1c"}


@pytest.fixture(scope="module")
def read(real_data, tmp_path_factory):
    """read("lgg"): the checked studies of a table, each a list of rows, and its declaration."""
    if not all((real_data / pack).is_dir() for pack in PACKS.values()):
        pytest.skip(f"no {' and '.join(PACKS.values())} in {real_data}")
    out = tmp_path_factory.mktemp("tables")
    real_tables.write_tables(real_data, out)

    def studies(name):
        rows = read_rows(out / f"{name}.csv", real_data / PACKS[name])
        found = group_studies(rows)
        check_described(found)
        check_splits(rows)
        check_folds(rows)
        return found, read_declaration(out / f"{name}.yaml")

    return studies


def test_gliomas(read):
    studies, declared = read("lgg")
    firsts = [rows[0] for rows in studies]
    assert len({row.patient for row in firsts}) == len(studies) == 110
    assert Counter(row.contrast for rows in studies for row in rows) == {"FLAIR": 110, "T1": 104, "T1c": 100}
    assert Counter(row.own["fold"] for row in firsts) == dict.fromkeys("01234", 22)
    assert Counter(row.own["label:grade"] for row in firsts) == {"2": 51, "3": 59}
    assert Counter(row.own.get("label:idh", "") for row in firsts) == {"": 50, "mutant": 49, "wildtype": 11}
    assert Counter(row.clinical_place[1] for row in firsts) == {"left": 54, "right": 54, "midline": 2}
    assert Counter(row.clinical_place[0] for row in firsts)["frontal lobe"] == 63
    assert all(any(row.mask for row in rows) for rows in studies)
    assert declared.conflict == "mask"
    assert declared.sheet.collections == ("TCGA-LGG",)
    assert {*declared.tasks} == {"histology", "grade", "sex", "idh"}
    assert declared.tasks["sex"].metadata


def test_slabs(read):
    studies, declared = read("cheng")
    assert len(studies) == 597
    assert len({rows[0].patient for rows in studies}) == 209
    kinds = {rows[0].study.split("_")[0]: rows[0].own["label:tumour"] for rows in studies}
    assert Counter(kinds.values()) == {"meningioma": 82, "glioma": 89, "pituitary tumour": 62}
    assert {*kinds.values()} == {*declared.tasks["tumour"].classes}
    assert all(rows[0].clinical_place is None for rows in studies), "left and right are not known"
