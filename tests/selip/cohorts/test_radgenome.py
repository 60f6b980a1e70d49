"""RadGenome-Brain MRI: texts by examination and by volume meet the images of three source sets."""

from __future__ import annotations

import json

import pytest

from selip.cohorts.importing.adapter import write_case, write_scan
from selip.cohorts.radgenome import scan
from selip.system.errors import InputError

GLIOMAS = ("BraTS-GLI-00005-000", "BraTS-GLI-00005-001", "BraTS-GLI-00006-000")
STROKE, HYPERINTENSITIES = "sub-strokecase0106_ses-0001", "Singapore_69"
CASES = (*GLIOMAS[:2], STROKE, HYPERINTENSITIES)
KINDS = {"BraTS": ("t1n", "t1c", "t2w", "t2f"), "sub-": ("dwi", "adc"), "Singapore": ("FLAIR",)}


def volumes_of(case):
    kinds = next(kinds for start, kinds in KINDS.items() if case.startswith(start))
    return {kind: f"{case}{'-' if case.startswith('BraTS') else '_'}{kind}" for kind in kinds}


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def example(here):
    folder = here / "all"
    for case in GLIOMAS:
        write_case(folder / "BraTS2023" / case / f"{case}-", KINDS["BraTS"], mask="seg")
    session = folder / "ISLES-2022" / STROKE.replace("_", "/")
    write_case(session / "dwi" / f"{STROKE}_", KINDS["sub-"])
    write_case(
        folder / "ISLES-2022" / "derivatives" / STROKE.replace("_", "/") / f"{STROKE}_", (), mask="msk", labels=(1,)
    )
    write_case(folder / "WMH" / "Singapore" / "69" / "pre", ("/FLAIR", "/T1"))
    write_case(folder / "WMH" / "Singapore" / "69", (), mask="/wmh", labels=(1, 2))
    for name, cases in (("BraTS_GLI", GLIOMAS[:2]), ("ISLES22", (STROKE,)), ("WMH", (HYPERINTENSITIES,))):
        write_json(folder / name / "global_finding.json", {case: f"All of {case}." for case in cases})
        by_volume = {key: f"Seen on {kind}." for case in cases for kind, key in volumes_of(case).items()}
        write_json(folder / name / "modal_wise_finding.json", by_volume)
    parts = {"train": [GLIOMAS[0], STROKE], "val": [HYPERINTENSITIES], "test": [GLIOMAS[1]]}
    lists = {part: [key for case in cases for key in volumes_of(case).values()] for part, cases in parts.items()}
    write_json(folder / "train_val_test_split.json", lists)
    return folder


def by_report(found):
    return {study.report.removeprefix("All of ").rstrip("."): study for study in found.studies}


def test_texts_meet_their_images(source):
    studies = by_report(scan(source))
    assert {*studies} == {*CASES}
    assert dict(studies[GLIOMAS[0]].texts) == {
        "T1": "Seen on t1n.", "T1c": "Seen on t1c.", "T2": "Seen on t2w.", "FLAIR": "Seen on t2f.",
    }  # fmt: skip
    assert dict(studies[STROKE].texts) == {"DWI": "Seen on dwi.", "ADC": "Seen on adc."}
    assert dict(studies[HYPERINTENSITIES].texts) == {"FLAIR": "Seen on FLAIR."}
    for study in studies.values():
        assert {*study.texts} <= {*study.volumes}
        assert study.mask is not None


def test_the_published_split_holds_but_never_divides_a_patient(source):
    found = scan(source)
    studies = by_report(found)
    assert {case: studies[case].split for case in CASES[2:]} == {STROKE: "train", HYPERINTENSITIES: "val"}
    assert {studies[case].split for case in GLIOMAS[:2]} == {"test"}
    assert f"{GLIOMAS[0]}: in train; taken for test" in found.problems


def test_one_source_set_is_enough_and_texts_without_images_are_counted(source):
    for folder in ("ISLES-2022", "WMH/Singapore"):
        (source / folder).rename(source.parent / folder.replace("/", "_"))
    found = scan(source)
    assert {*by_report(found)} == {*GLIOMAS[:2]}
    assert "singapore: 1 texts without images here" in found.problems
    assert "substrokecase: 1 texts without images here" in found.problems


def test_without_a_split_file_the_split_is_left_open(source):
    (source / "train_val_test_split.json").unlink()
    assert {study.split for study in scan(source).studies} == {""}


def test_texts_alone_are_refused_in_one_line(source):
    with pytest.raises(InputError, match=r"\Agot [^\n]*; [^\n]*(put texts and images there|download it again)\Z"):
        scan(source / "BraTS_GLI")


def test_the_real_texts_meet_images_of_their_names(real_data, tmp_path):
    texts = json.loads((real_data / "radgenome" / "global_finding.json").read_text())
    chosen = [*texts][::40]
    for case in chosen:
        write_scan(tmp_path / "images" / case / f"{case}-t2f.nii.gz")
    write_json(tmp_path / "RadGenome" / "global_finding.json", texts)
    found = scan(tmp_path)
    assert {study.study: study.report for study in found.studies} == {
        case: " ".join(texts[case].split()) for case in chosen
    }
    counts = [line.split()[1] for line in found.problems if "without images" in line]
    assert sum(map(int, counts)) == len(texts) - len(chosen)
