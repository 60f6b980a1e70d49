"""Writes the tables by which packs of NIfTI files of the two real cohorts are imported.

    python docs/real_tables.py DATA OUT
    selip cohort import table OUT/lgg.csv --root DATA/tcga_lgg --out cohorts/lgg

DATA holds `tcga_lgg` (patients.csv, images/, masks/) and `cheng_t1c` (cohort.csv, images/, masks/): the volumes of the
sets that lgg_kaggle and figshare_tumours import as they are downloaded. The tables say what those adapters say, and of
IDH.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import yaml

from selip.cohorts import figshare_tumours, lgg_kaggle
from selip.cohorts.importing.adapter import write_table
from selip.data.cohort_declaration import CohortDeclaration, DeclaredTask
from selip.data.tables import read_table

CONTRASTS = {"flair": "FLAIR", "t1": "T1", "t1c": "T1c"}
LOBES = ("frontal", "parietal", "temporal", "occipital")
SEXES = {"F": "female", "M": "male"}
TYPES = {"meningioma": "meningioma", "glioma": "glioma", "pituitary": "pituitary tumour"}
IDH = DeclaredTask("IDH mutation", classes=("wildtype", "mutant"))


def lgg_rows(pack: Path) -> list[dict[str, str]]:
    """A row a volume of tcga_lgg; contrasts that the set lacks of a patient have none."""
    rows = []
    for one in read_table(pack / "patients.csv").rows:
        about = {
            "patient": one["patient"], "study": one["study"], "site": one["site"], "age": one["age"],
            "fold": one["fold"], "labels": "glioma", "side": one["side"],
            "region": f"{one['lobe']} lobe" if one["lobe"] in LOBES else one["lobe"],
            "label:histology": one["histology"], "label:grade": one["grade"], "label:idh": one["idh"],
            "label:sex": SEXES.get(one["sex"], ""),
        }  # fmt: skip
        for end, contrast in CONTRASTS.items():
            if one[f"has_{end}"] == "1":
                mask = f"masks/{one['patient']}_mask.nii.gz" if contrast == "FLAIR" else ""
                path = f"images/{one['patient']}_{end}.nii.gz"
                rows.append(about | {"contrast": contrast, "path": path, "mask": mask})
    return rows


def cheng_rows(pack: Path) -> list[dict[str, str]]:
    """A row a slab of cheng_t1c; a patient is a group of ids that differ by a letter."""
    return [
        {
            "patient": one["group"], "study": f"{one['patient']}_{one['plane']}", "contrast": "T1c",
            "path": one["path"], "mask": one["mask"], "fold": one["fold"],
            "labels": TYPES[one["tumour"]], "label:tumour": TYPES[one["tumour"]],
        }
        for one in read_table(pack / "cohort.csv").rows
    ]  # fmt: skip


def declarations() -> dict[str, CohortDeclaration]:
    """What the adapters declare, and what is otherwise in the packs."""
    lgg, cheng = lgg_kaggle.ADAPTER.declares, figshare_tumours.ADAPTER.declares
    defaced = "voxels outside a 12 mm rim of the brain are 0 in front of and below the commissures"
    about_lgg = replace(lgg.sheet, biases=f"{lgg.sheet.biases}; {defaced}")
    about_cheng = replace(cheng.sheet, biases=f"{cheng.sheet.biases}; each slice was stretched to 8 bits")
    return {
        "lgg": replace(lgg, tasks={**lgg.tasks, "idh": IDH}, sheet=about_lgg),
        "cheng": replace(cheng, sheet=about_cheng),
    }


def write_tables(data: Path, out: Path) -> None:
    """Writes lgg.csv and cheng.csv with their declarations into `out`."""
    rows: Mapping[str, Sequence[dict[str, str]]] = {
        "lgg": lgg_rows(data / "tcga_lgg"), "cheng": cheng_rows(data / "cheng_t1c")
    }  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    for name, declared in declarations().items():
        write_table(out / f"{name}.csv", rows[name])
        (out / f"{name}.yaml").write_text(yaml.safe_dump(_plain(declared), sort_keys=False, width=120))


def _plain(declared: CohortDeclaration) -> dict[str, object]:
    """The declaration without tuples, and without what is left as it is."""
    found = asdict(declared)
    found["tasks"] = {
        name: {key: list(value) if isinstance(value, tuple) else value for key, value in task.items() if value}
        for name, task in found["tasks"].items()
    }
    found["sheet"]["collections"] = list(declared.sheet.collections)
    return found


if __name__ == "__main__":
    write_tables(Path(sys.argv[1]), Path(sys.argv[2]))
