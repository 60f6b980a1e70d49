"""The rules of the annotation guide and the wording of radiology, one short text each."""

from __future__ import annotations

import pytest

from selip.reports.extraction.extractor import extract


def facts(text, kind, language="en"):
    return {fact.values for fact in extract(text, language).facts if fact.kind == kind}


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("A mass in the left frontoparietal region.", "left frontal lobe, left parietal lobe"),
        ("A mass in the right temporal-occipital lobe.", "right temporal lobe, right occipital lobe"),
        ("A nodule at the junction of the left frontal and parietal lobes.", "left frontal lobe, left parietal lobe"),
        ("A mass beneath the skull plate of the left temporal region.", "left temporal lobe"),
        ("A mass beneath the left cranial vault.", "left convexity/calvaria"),
        ("A mass at the base of the left skull.", "left skull base"),
        ("A nodule beside the falx in the right frontal lobe.", "right falx/parasagittal, right frontal lobe"),
        ("A nodule in the right frontal lobe adjacent to the falx.", "right falx/parasagittal, right frontal lobe"),
        ("A mass in the interhemispheric fissure.", "midline falx/parasagittal"),
        ("A mass adjacent to the left lateral ventricle.", "left periventricular"),
        ("A mass beside the posterior horn of the right lateral ventricle.", "right periventricular"),
        ("A mass in the posterior horn of the right lateral ventricle.", "right lateral ventricle"),
        ("Lesions in the right insula, thalamus and left putamen.", "right insula, right thalamus, left basal ganglia"),
        ("Lesions in the bilateral frontal lobes and cerebellum.", "bilateral frontal lobe, bilateral cerebellum"),
        ("Lesions in the left thalamus, pons and putamen.", "left thalamus, midline brainstem, left basal ganglia"),
        ("A lesion in the left side of the brainstem.", "left brainstem"),
        ("A lesion in the vermis of the cerebellum.", "midline cerebellum"),
        ("A lesion of the thalamus on the left.", "left thalamus"),
        ("Lesions of the thalamus on both sides.", "bilateral thalamus"),
        ("Nodules in both hemispheres, the larger in the left insula.", "bilateral cerebral hemisphere, left insula"),
        ("Nodules in bilateral parietal lobes, the larger in the right parietal lobe.", "bilateral parietal lobe"),
        ("Left frontal nodules. The largest is in the temporal lobe.", "left frontal lobe, unspecified temporal lobe"),
        ("A left frontal mass with edema in the parietal lobe.", "left frontal lobe"),
        ("A left frontal mass with compression of the brainstem.", "left frontal lobe"),
        ("A left frontal mass crosses the midline along the corpus callosum.", "left frontal lobe"),
        ("A left frontal mass. No lesion in the cerebellum.", "left frontal lobe"),
        ("The left temporal lobe is normal.", ""),
        ("Mass in the sella extending to the left cavernous sinus.", "midline sellar region, left cavernous sinus"),
    ],
)  # fmt: skip
def test_location(text, places):
    assert {" ".join(values) for values in facts(text, "location")} == set(filter(None, places.split(", ")))


@pytest.mark.parametrize(
    ("text", "signals"),
    [
        ("hyperintense on T2WI and FLAIR, hypointense on T1WI", "T2 high, FLAIR high, T1 low"),
        ("T1 hypointense, T2 hyperintense", "T1 low, T2 high"),
        ("T1 hypointensity and T2 hyperintensity", "T1 low, T2 high"),
        ("low T1W signal, high T2W signal and high FLAIR signal", "T1 low, T2 high, FLAIR high"),
        ("On FLAIR images it shows high signal", "FLAIR high"),
        ("long T1 and long T2 signal", "T1 low, T2 high"),
        ("T2/FLAIR hyperintense", "T2 high, FLAIR high"),
        ("T2-FLAIR hyperintense", "FLAIR high"),
        ("iso to slightly low signal on T1", "T1 mixed"),
        ("slightly high signal on T2", "T2 high"),
        ("equal signal intensity on T1-weighted sequences", "T1 iso"),
        ("low signal on T1W with a small amount of high signal, high signal on T2W", "T1 mixed, T2 high"),
        ("central low signal and peripheral iso signal on T1", "T1 mixed"),
        ("mixed high signal on T2W, low on ADC", "T2 mixed, ADC low"),
        ("high signal on FLAIR with uneven signal", "FLAIR high"),
        ("heterogeneous signal on T2", "T2 mixed"),
        ("slightly low signal on T1W, and signals on T2W, FLAIR", "T1 low"),
        ("low on T1; surrounding patchy areas of high signal on T2", "T1 low"),
        ("low on T1. Around the lesion, high signal on T2 is seen", "T1 low"),
        ("no high signal on DWI", ""),
        ("marked enhancement on T1-weighted images with contrast", ""),
        ("high signal on post-contrast T1, low signal on T1", "T1 low"),
    ],
)
def test_signal(text, signals):
    found = facts(f"A lesion in the left thalamus, {text}.", "signal")
    assert {" ".join(values) for values in found} == set(filter(None, signals.split(", ")))


def test_the_larger_part_stands_for_the_lesion():
    text = "Nodules in both frontal lobes, high on T1. The larger one, in the left frontal lobe, is low on T1."
    assert facts(text, "signal") == {("T1", "low")}


def test_signals_of_a_second_lesion_are_not_those_of_the_main_one():
    text = "A mass in the left thalamus, low on T1. In the right insula there is a nodule, high on T1 and T2."
    found = extract(text)
    assert facts(text, "signal") == {("T1", "low")}
    assert [lesion.signals for lesion in found.lesions] == [
        {"T1": "low signal"},
        {"T1": "high signal", "T2": "high signal"},
    ]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Marked ring enhancement after contrast.", "enhancement", "present"),
        ("No significant enhancement post-contrast.", "enhancement", "absent"),
        ("The lesion does not enhance.", "enhancement", "absent"),
        ("The mass enhances. A second one shows no enhancement.", "enhancement", "present"),
        ("The mass enhances, with non-enhancing areas.", "enhancement", "present"),
        ("Low signal on contrast-enhanced T1.", "enhancement", None),
        ("A large area of oedema.", "edema", "present"),
        ("No edema, mass effect or midline shift.", "edema", "absent"),
        ("No edema, mass effect or midline shift.", "midline_shift", "absent"),
        ("Neither edema nor midline shift.", "midline_shift", "absent"),
        ("Midline shift is not seen.", "midline_shift", "absent"),
        ("Midline structures are not displaced.", "midline_shift", "absent"),
        ("The midline structures are in place.", "midline_shift", "absent"),
        ("A slight deviation of midline structures to the left.", "midline_shift", "present"),
        ("The midline shows a leftward deviation without displacement.", "midline_shift", "present"),
        ("The mass crosses the midline.", "midline_shift", None),
        ("No midline shift, but extensive edema.", "edema", "present"),
        ("No midline shift, and the right lateral ventricle is compressed.", "ventricle_compression", "present"),
        ("Compression and narrowing of the third ventricle.", "ventricle_compression", "present"),
        ("The anterior horns of both lateral ventricles are narrowed.", "ventricle_compression", "present"),
        ("No compression on the lateral ventricles.", "ventricle_compression", "absent"),
        ("Compression of the left occipital lobe.", "ventricle_compression", None),
        ("The adjacent brain parenchyma is compressed.", "ventricle_compression", None),
    ],
)
def test_signs(text, kind, value):
    assert facts(text, kind) == ({(value,)} if value else set())


@pytest.mark.parametrize(
    ("text", "multiple"),
    [
        ("Multiple nodules in the left frontal lobe.", True),
        ("Two masses in the left frontal lobe.", True),
        ("Multiple scattered T2 hyperintense foci in the left frontal lobe.", True),
        ("Nodules in the left frontal lobe, the larger 5 mm.", True),
        ("A nodule in the left frontal lobe. Another nodule is seen in the right insula.", True),
        ("Nodules in the left occipital lobe and right cerebellum.", True),
        ("Abnormal foci in the left frontal and parietal lobes.", False),
        ("A mass in both frontal lobes and the genu of the corpus callosum.", False),
        ("A mass in the left thalamus, low on T1 with scattered high signal.", False),
        ("A mass in the left thalamus with a larger area of edema.", False),
    ],
)
def test_multiplicity(text, multiple):
    assert bool(facts(text, "multiplicity")) is multiple


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("patchy slightly high signal on FLAIR", "patchy slightly high signal"),
        ("low signal with high rim on FLAIR", "low signal with high rim"),
        ("mildly hyperintense on FLAIR", "slightly high signal"),
        ("isointense to hyperintense on FLAIR", "mixed signal"),
    ],
)
def test_findings_are_in_our_words(text, phrase):
    (finding,) = extract(f"An acute infarct in the left thalamus, {text}.").findings()
    assert (finding.lesion_type, finding.region, finding.side) == ("acute infarct", "thalamus", "left")
    assert finding.signals == {"FLAIR": phrase}


def test_enhancement_is_what_t1c_shows():
    found = extract("A mass in the left thalamus, low on T1, with marked ring enhancement.")
    assert found.texts(["T1", "T1c", "T2"]) == {
        "T1": "at left thalamus shows low signal",
        "T1c": "at left thalamus shows ring of markedly high signal with low centre",
    }


def test_clauses_without_a_contrast_hold_for_each():
    assert extract("at left thalamus shows high signal").texts(["T1"]) == {"T1": "at left thalamus shows high signal"}


def test_spans_are_the_words_that_say_it():
    text = "A mass in the left thalamus, low signal on T1."
    said = {fact.kind: [text[start:end] for start, end in fact.spans] for fact in extract(text).facts}
    assert said == {"location": ["left", "thalamus"], "signal": ["low", "T1"]}


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("在左侧额叶表现为高信号", "at left frontal lobe shows high signal"),
        (
            "在双侧侧脑室旁表现为斑片状稍高信号",
            "at bilateral periventricular white matter shows patchy slightly high signal",
        ),
        ("右侧丘脑见长T1信号", "at right thalamus shows low signal"),
        ("脑实质内未见异常信号", "no abnormal signal in the brain"),
    ],
)
def test_chinese_clauses(text, clause):
    assert extract(text, "zh").texts(["T1"]) == {"T1": clause}


def test_a_chinese_report():
    text = (
        "双侧额叶及右侧小脑半球见多发结节，较大者位于左侧颞叶，T1WI呈等信号，T2WI及FLAIR呈稍高信号，增强扫描明显环形强化，"
        "周围可见水肿。左侧侧脑室受压，中线结构无移位。"
    )
    assert {tuple(fact.as_list) for fact in extract(text, "zh").facts} == {
        ("location", "bilateral", "frontal lobe"),
        ("location", "right", "cerebellum"),
        ("location", "left", "temporal lobe"),
        ("signal", "T1", "iso"),
        ("signal", "T2", "high"),
        ("signal", "FLAIR", "high"),
        ("enhancement", "present"),
        ("edema", "present"),
        ("ventricle_compression", "present"),
        ("midline_shift", "absent"),
        ("multiplicity", "multiple"),
    }
